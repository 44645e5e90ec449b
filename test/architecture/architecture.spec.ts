import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadProject } from './project.js';
import { rules } from './rules/index.js';

const house = loadProject(join(import.meta.dirname, '../..'));
const fixtures = join(import.meta.dirname, 'fixtures');

describe('the house', () => {
  it('is read whole: the rules see its files and its libs', () => {
    expect(house.libs.map(({ folder }) => folder)).toContain('kernel');
    expect(house.files.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['src/main.ts', 'libs/kernel/src/index.ts', 'test/architecture/rule.ts']),
    );
    expect(house.files.some(({ path }) => path.includes('/fixtures/'))).toBe(false);
  });

  it.each(rules.map((rule) => [rule.promise, rule] as const))(
    '%s',
    async (_promise, rule) => {
      expect(await rule.check(house)).toEqual([]);
    },
    60_000,
  );
});

describe('each rule can fail', () => {
  it('there is a fixture for every rule, and no other', () => {
    expect(readdirSync(fixtures).sort()).toEqual(rules.map(({ name }) => name).sort());
  });

  // The fixture holds what is forbidden beside what is allowed, and violations.txt what the rule must say of it.
  it.each(rules.map((rule) => [rule.name, rule] as const))(
    '%s',
    async (name, rule) => {
      const expected = readFileSync(join(fixtures, name, 'violations.txt'), 'utf8')
        .trim()
        .split('\n');
      const found = await rule.check(loadProject(join(fixtures, name)));
      expect([...found].sort()).toEqual(expected.sort());
    },
    60_000,
  );
});

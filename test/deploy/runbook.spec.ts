import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { boards, rules } from './boards.js';

/** docs/runbook.md and the alerts tell of each other. */
const root = join(import.meta.dirname, '../..');
const runbook = readFileSync(join(root, 'docs/runbook.md'), 'utf8');
const alerts = Object.values(rules()).flatMap((all) => all.filter(({ alert }) => alert !== undefined));
const parts = new Map(
  runbook
    .split(/^## /m)
    .slice(1)
    .map((part) => [part.slice(0, part.indexOf('\n')), part]),
);

describe('the runbook', () => {
  it('has a part for each alert, and none for another', () => {
    expect([...parts.keys()].toSorted()).toEqual(alerts.map(({ alert }) => alert!).toSorted());
  });

  it.each([...parts])('says of %s what it means, what to look at and what to type', (_, part) => {
    for (const word of ['**Means.** ', '**Look at.** ', '**Type.** ']) expect(part).toContain(word);
  });

  it('names commands, panels and files that there are', () => {
    const commands = readFileSync(join(root, 'src/cli.ts'), 'utf8');
    for (const [whole, group, name] of runbook.matchAll(/npx rookery ([a-z]+)(?: ([a-z]+))?/g)) {
      const word = name === undefined ? group! : `${group}${name[0]!.toUpperCase()}${name.slice(1)}`;
      expect([whole, new RegExp(`^ {4}${word},$`, 'm').test(commands)]).toEqual([whole, true]);
    }
    const titles = boards().flatMap(({ panels }) => panels.map(({ title }) => title));
    const panels = [...runbook.matchAll(/"([A-Z][^"]*)"/g)].map(([, title]) => title!);
    expect(panels.length).toBeGreaterThan(8);
    expect(panels.filter((panel) => !titles.some((title) => title.startsWith(panel)))).toEqual([]);
  });
});

describe('each alert', () => {
  it.each(alerts.map((rule) => [rule.alert!, rule] as const))(
    '%s says how bad it is and where help is',
    (alert, rule) => {
      expect(rule.labels).toEqual({ severity: expect.stringMatching(/^(page|ticket)$/) as string });
      expect(rule.annotations).toEqual({
        summary: expect.stringMatching(/\S/) as string,
        description: expect.stringMatching(/\.$/) as string,
        runbook: `docs/runbook.md#${alert.toLowerCase()}`,
      });
    },
  );
});

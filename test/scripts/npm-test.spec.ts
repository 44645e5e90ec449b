import { ScratchRepository, type Ended } from './scratch-repository.js';

const holds = 'node -e 0';
const fails = 'node -e "console.log(41 + 1); process.exit(1)"';

/** A repository of one spec file, whose lint and types are these commands. */
async function npmTest(spec: string, { lint = holds, typecheck = holds, other = '' } = {}): Promise<Ended> {
  const scratch = new ScratchRepository({
    'package.json': JSON.stringify({ name: 'scratch', type: 'module', scripts: { lint, typecheck } }),
    'jest.config.mjs': `export default { testMatch: ['**/*.spec.mjs'], transform: {} };`,
    'a.spec.mjs': spec,
    ...(other && { 'b.spec.mjs': other }),
  });
  try {
    return await scratch.run(process.execPath, ['scripts/test.mjs']);
  } finally {
    scratch.remove();
  }
}

function lastLine({ stdout }: Ended): string | undefined {
  return stdout.trim().split('\n').at(-1);
}

/** What it tells at its end of each failure, just above the counts. */
function recap({ stdout }: Ended): string[] {
  const lines = stdout.trimEnd().split('\n').slice(0, -1);
  const above = lines.findLastIndex((line) => !/^(failed: | {2}\| )/.test(line));
  return lines
    .slice(above + 1)
    .join('\n')
    .split(/\n(?=failed: )/);
}

describe('npm test', () => {
  it('sums what passed and what was skipped, lint and types as one each', async () => {
    const run = await npmTest(`
      test('one', () => expect(1).toBe(1));
      test('two', () => expect(2).toBe(2));
      test.skip('three', () => expect(3).toBe(4));
    `);
    expect([run.code, lastLine(run)]).toEqual([0, '4 passed, 0 failed, 1 skipped']);
  }, 60_000);

  it('fails, and shows why, where a test fails', async () => {
    const run = await npmTest(`
      test('one', () => expect(1).toBe(1));
      test('two', () => expect('seen').toBe('expected'));
    `);
    expect([run.code, lastLine(run)]).toEqual([1, '3 passed, 1 failed, 0 skipped']);
    expect(run.output).toContain('Received: "seen"');
    expect(recap(run)).toEqual([expect.stringMatching(/^failed: a\.spec\.mjs › two\n[^]*Received: "seen"/)]);
  }, 60_000);

  it('fails where a suite cannot be run at all', async () => {
    const run = await npmTest(`import './gone.mjs'; test('one', () => expect(1).toBe(1));`, {
      other: `test('one', () => expect(1).toBe(2));`,
    });
    expect([run.code, lastLine(run)]).toEqual([1, '2 passed, 2 failed, 0 skipped']);
    expect(run.output).toContain('gone.mjs');
    expect(recap(run).sort()).toEqual([
      expect.stringMatching(/^failed: a\.spec\.mjs\n[^]*gone\.mjs/),
      expect.stringMatching(/^failed: b\.spec\.mjs › one\n/),
    ]);
  }, 60_000);

  it('fails where a test leaves something open, and does not hang on it', async () => {
    const run = await npmTest(`test('one', () => { setInterval(() => {}, 1_000); });`);
    expect([run.code, lastLine(run)]).toEqual([1, '3 passed, 1 failed, 0 skipped']);
    expect(run.output).toContain('something outlived its test');
    expect(recap(run)).toEqual([expect.stringMatching(/^failed: jest\n {2}\| something outlived its test/)]);
  }, 60_000);

  it('runs no test where lint or types fail, and shows their output', async () => {
    const run = await npmTest(`test('one', () => expect(1).toBe(1));`, { lint: fails });
    expect([run.code, lastLine(run)]).toEqual([1, '1 passed, 1 failed, 0 skipped']);
    expect(recap(run)).toEqual(['failed: npm run --silent lint\n  | 42']);
    expect(run.output).not.toContain('a.spec.mjs');
  }, 60_000);
});

describe('npm run test:stack', () => {
  async function stack(suite: string, env: NodeJS.ProcessEnv): Promise<Ended> {
    const scratch = new ScratchRepository({
      'package.json': JSON.stringify({ name: 'scratch', type: 'module' }),
      'jest.stack.config.mjs': `export default { testMatch: ['**/*.stack.spec.ts'], transform: {} };`,
      'test/stack/a.stack.spec.ts': suite,
    });
    try {
      return await scratch.run(process.execPath, ['scripts/test.mjs', '--stack'], env);
    } finally {
      scratch.remove();
    }
  }

  it('says what to install where it cannot install it, and runs nothing', async () => {
    // On an empty PATH there is neither a browser nor an apt-get that could bring one.
    const run = await stack(`// needs: chromium\ntest('one', () => {});`, { PATH: '' });
    expect([run.code, lastLine(run)]).toEqual([1, '0 passed, 1 failed, 0 skipped']);
    expect(run.output).toMatch(/chromium/);
  }, 60_000);

  it('refuses a need it does not know', async () => {
    const run = await stack(`// needs: a-pony\ntest('one', () => {});`, {});
    expect([run.code, lastLine(run)]).toEqual([1, '0 passed, 1 failed, 0 skipped']);
    expect(run.output).toContain(`a suite needs 'a-pony'`);
  }, 60_000);

  it('runs the suites whose needs are met', async () => {
    const run = await stack(`test('one', () => expect(1).toBe(1));`, {});
    expect([run.code, lastLine(run)]).toEqual([0, '1 passed, 0 failed, 0 skipped']);
  }, 60_000);
});

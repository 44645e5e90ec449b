import { delimiter } from 'node:path';
import { ScratchRepository } from './scratch-repository.js';

/** `.ci/run` with an npm that answers as told: for `ci`, `test` and `test:stack`, what it prints and its exit code. */
async function ciRun(answers: Readonly<Record<'ci' | 'test' | 'test:stack', readonly [string, number]>>) {
  const cases = Object.entries(answers).map(
    ([command, [text, code]]) => `${command}) printf '%s\\n' '${text}'; exit ${code};;`,
  );
  const scratch = new ScratchRepository({
    'bin/npm': `#!/bin/sh\n[ "$1" = run ] && shift\ncase "$1" in\n${cases.join('\n')}\nesac\n`,
  });
  try {
    const PATH = `${scratch.root}/bin${delimiter}${process.env['PATH']}`;
    const { code, output } = await scratch.run('bash', ['.ci/run'], { PATH });
    return { code, last: output.trim().split('\n').at(-1), output };
  } finally {
    scratch.remove();
  }
}

const installed = ['added 446 packages', 0] as const;

describe('.ci/run', () => {
  it('sums both runs', async () => {
    const run = await ciRun({
      ci: installed,
      test: ['ok\n12 passed, 0 failed, 1 skipped', 0],
      'test:stack': ['3 passed, 0 failed, 2 skipped', 0],
    });
    expect(run).toMatchObject({ code: 0, last: '15 passed, 0 failed, 3 skipped' });
    expect(run.output).toMatch(/--- test: exit 0, \d+ s/);
  }, 60_000);

  it('fails where one of them failed, and runs the other all the same', async () => {
    const run = await ciRun({
      ci: installed,
      test: ['failed: a.spec.ts › one\n  | Expected: 1\n10 passed, 2 failed, 0 skipped', 1],
      'test:stack': ['3 passed, 0 failed, 0 skipped', 0],
    });
    expect(run).toMatchObject({ code: 1, last: '13 passed, 2 failed, 0 skipped' });
    // Told once more at the end: of a log of that length, many see only the end.
    expect(run.output).toMatch(
      /--- test:stack: .*\nfailed: a\.spec\.ts › one\n {2}\| Expected: 1\n13 passed/,
    );
  }, 60_000);

  it('fails where a run counted no failure and yet failed, or died before it could count', async () => {
    const run = await ciRun({
      ci: installed,
      test: ['10 passed, 0 failed, 0 skipped', 137],
      'test:stack': ['out of memory', 134],
    });
    expect(run).toMatchObject({ code: 1, last: '10 passed, 2 failed, 0 skipped' });
  }, 60_000);

  it('fails where a run ended well without a count', async () => {
    const run = await ciRun({
      ci: installed,
      test: ['', 0],
      'test:stack': ['0 passed, 0 failed, 0 skipped', 0],
    });
    expect(run).toMatchObject({ code: 1, last: '0 passed, 1 failed, 0 skipped' });
  }, 60_000);

  it('fails where the packages cannot be installed, and runs nothing', async () => {
    const run = await ciRun({ ci: ['no network', 1], test: ['ran', 0], 'test:stack': ['ran', 0] });
    expect(run).toMatchObject({ code: 1, last: '0 passed, 1 failed, 0 skipped' });
    expect(run.output).not.toContain('ran');
  }, 60_000);
});

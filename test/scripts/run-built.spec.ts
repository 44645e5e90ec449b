import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ended, ScratchRepository } from './scratch-repository.js';

const repository = join(import.meta.dirname, '../..');
const program = `
import { tell } from '@rookery/kernel';

if (process.argv[2] === 'wait') {
  process.on('SIGTERM', () => process.exit(43));
  setInterval(() => undefined, 1_000);
} else {
  process.exitCode = Number(process.argv[2]);
}
tell(process.argv.slice(2));
`;

describe('scripts/run-built.mjs', () => {
  const scratch = new ScratchRepository({
    'package.json': JSON.stringify({ name: 'scratch', type: 'module' }),
    'tsconfig.json': readFileSync(join(repository, 'tsconfig.json'), 'utf8'),
    'nest-cli.json': readFileSync(join(repository, 'nest-cli.json'), 'utf8'),
    '.swcrc': readFileSync(join(repository, '.swcrc'), 'utf8'),
    'src/main.ts': program,
    'bench/main.ts': '',
    'libs/kernel/src/index.ts': `export const tell = (words: readonly string[]): void => console.log('told', ...words);\n`,
  });
  afterAll(() => scratch.remove());
  const runBuilt = (...args: string[]) => scratch.run(process.execPath, ['scripts/run-built.mjs', ...args]);

  it('builds what was never built, once for all that ask at the same time', async () => {
    const runs = await Promise.all(
      ['3', '4', '5', '6'].map((code) => runBuilt('dist/src/main.js', code, 'a b')),
    );
    expect(runs.map(({ code }) => code)).toEqual([3, 4, 5, 6]);
    expect(runs.map(({ output }) => /told .*/.exec(output)?.[0])).toEqual(
      ['3', '4', '5', '6'].map((code) => `told ${code} a b`),
    );
    expect(runs.filter(({ output }) => output.includes('building'))).toHaveLength(1);
  }, 60_000);

  it('does not build again what has not changed', async () => {
    expect(await runBuilt('dist/src/main.js', '0')).toMatchObject({ code: 0, output: 'told 0\n' });
  }, 60_000);

  it('builds again where a library has changed', async () => {
    scratch.write(
      'libs/kernel/src/index.ts',
      `export const tell = (words: readonly string[]): void => console.log('said', ...words);\n`,
    );
    const run = await runBuilt('dist/src/main.js', '0');
    expect(run.stdout).toBe('said 0\n');
    expect(run.output).toMatch(/building … /);
  }, 60_000);

  it('passes signals on, and the exit code back', async () => {
    const child = scratch.start(process.execPath, ['scripts/run-built.mjs', 'dist/src/main.js', 'wait']);
    child.stdout!.once('data', () => child.kill('SIGTERM'));
    expect((await ended(child)).code).toBe(43);
  }, 60_000);

  it('says in one line what it cannot run', async () => {
    expect(await runBuilt('dist/src/gone.js')).toMatchObject({
      code: 1,
      output: 'dist/src/gone.js does not exist: no source builds it\n',
    });
  }, 60_000);

  it('shows why a build fails, and does not run what stood before', async () => {
    scratch.write('src/main.ts', 'export const = 1;\n');
    const run = await runBuilt('dist/src/main.js', '0');
    expect(run.code).toBe(1);
    expect(run.output).toContain('the build failed');
    expect(run.output).not.toContain('said');
  }, 60_000);
});

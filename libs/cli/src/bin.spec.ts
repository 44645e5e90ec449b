import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const BIN = join(import.meta.dirname, '../bin/rookery.mjs');

let root: string;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'rookery-bin-')));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function manifest(rookery: unknown): void {
  write('package.json', JSON.stringify({ name: 'site', type: 'module', rookery }));
}

async function rookery(
  args: readonly string[],
  folder = '.',
): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [BIN, ...args], { cwd: join(root, folder) });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const code = await new Promise<number>((resolve) => child.once('close', (exit) => resolve(exit ?? -1)));
  return { code, out, err };
}

const ENTRY = `console.log(JSON.stringify({ args: process.argv.slice(2), at: process.cwd() })); process.exitCode = 7;`;

describe('the program rookery', () => {
  it("hands the command line to the site's entry, in the site's folder, and its exit code back", async () => {
    manifest({ site: 'dist/cli.js' });
    write('dist/cli.js', ENTRY);
    write('src/deep/.keep', '');
    const { code, out } = await rookery(['shards', 'status', '--json', 'a b'], 'src/deep');
    expect(JSON.parse(out)).toEqual({ args: ['shards', 'status', '--json', 'a b'], at: root });
    expect(code).toBe(7);
  });

  it('ends in order when its reader has read enough', async () => {
    manifest({ site: 'cli.js' });
    const line = 'x'.repeat(100_000);
    write(
      'cli.js',
      `const timer = setInterval(() => process.stdout.write('${line}', (error) => {
         if (!error) return;
         clearInterval(timer);
         process.exitCode = 7;
       }), 1);`,
    );
    const child = spawn(process.execPath, [BIN], { cwd: root });
    child.stdout.once('data', () => child.stdout.destroy());
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(7);
  });

  it('takes the nearest project that has a site: not that of a library inside it', async () => {
    manifest({ site: 'cli.js' });
    write('cli.js', ENTRY);
    write('libs/one/package.json', '{"name":"one"}');
    expect((await rookery(['x'], 'libs/one')).code).toBe(7);
  });

  it('lets the module that knows bring the build up to date, every time', async () => {
    manifest({ site: 'dist/cli.js', build: 'scripts/build.mjs' });
    write(
      'scripts/build.mjs',
      `import { appendFileSync, mkdirSync } from 'node:fs';
       export async function buildIfStale() {
         mkdirSync('dist', { recursive: true });
         appendFileSync('dist/cli.js', 'console.log("built");');
       }`,
    );
    expect((await rookery([])).out).toBe('built\n');
    expect((await rookery([])).out).toBe('built\nbuilt\n');
  });

  it('runs a command that builds where nothing is built yet, with its words on standard error', async () => {
    manifest({
      site: 'dist/cli.mjs',
      build: `mkdir dist && echo building && echo "console.log(1)" > dist/cli.mjs`,
    });
    expect(await rookery([])).toEqual({
      code: 0,
      out: '1\n',
      err: expect.stringContaining('building\n') as string,
    });
    expect(await rookery([])).toEqual({ code: 0, out: '1\n', err: '' });
  });

  it.each([
    ['no project', () => undefined, /has a "rookery" field/],
    ['a field that names nothing', () => manifest({}), /"rookery.site" in .* must name/],
    ['a package.json that is none', () => write('package.json', '{'), /package\.json cannot be read/],
    ['an entry that nothing builds', () => manifest({ site: 'dist/cli.js' }), /dist\/cli\.js does not exist/],
    ['a build that fails', () => manifest({ site: 'x.js', build: 'exit 3' }), /`exit 3` ended with code 3/],
  ])('says in one line that there is %s, and ends with 78', async (_, prepare, line) => {
    prepare();
    const { code, out, err } = await rookery(['migrate', 'status']);
    expect({ code, out }).toEqual({ code: 78, out: '' });
    expect(err.trimEnd().split('\n').at(-1)).toMatch(line);
  });
});

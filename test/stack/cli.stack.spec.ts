import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { holdEmbeddedPostgres } from '@rookery/devstack';
import { testDatabases, type TestDatabases } from '@rookery/devstack/testing';

const REPOSITORY = join(import.meta.dirname, '../..');
const LIMIT_MS = 180_000;

/** A project whose entry is this site's, as its source stands: what `npx rookery` does, without building first. */
let project: string;
let dataDir: string;

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'cli-spec-'));
  // PostgreSQL does not run as root, and must be able to enter.
  chmodSync(project, 0o755);
  dataDir = join(project, 'data');
  mkdirSync(dataDir);
  const module = (path: string): string => JSON.stringify(pathToFileURL(join(REPOSITORY, path)).href);
  writeFileSync(
    join(project, 'entry.mjs'),
    `import ${module('scripts/run-source.mjs')};\nawait import(${module('src/cli.ts')});\n`,
  );
  writeFileSync(join(project, 'package.json'), JSON.stringify({ rookery: { site: 'entry.mjs' } }));
});
afterAll(() => rmSync(project, { recursive: true, force: true }));

function rookery(args: readonly string[], environment: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, [join(REPOSITORY, 'libs/cli/bin/rookery.mjs'), ...args], {
    cwd: project,
    env: {
      ...process.env,
      DATA_DIR: dataDir,
      NODE_OPTIONS: '--disable-warning=ExperimentalWarning',
      ...environment,
    },
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  return new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, out, err })),
  );
}

describe('npx rookery on databases that the environment names', () => {
  let databases: TestDatabases;
  beforeAll(async () => {
    databases = await testDatabases({ count: 2 });
  });
  afterAll(() => databases.drop());

  it(
    'brings them up to date, and shows how the slots are spread',
    async () => {
      const environment = { SHARD_URLS: databases.urls.join(',') };
      const early = await rookery(['shards', 'status'], environment);
      expect(early.code).toBe(1);
      expect(early.err).toMatch(/^rookery: shard s\d lacks .*npx rookery migrate up.*\n$/);

      const applied = await rookery(['migrate', 'up'], environment);
      expect(applied.out).toMatch(/✓ applied \d+ migrations in .*: 2 shards are up to date\n$/);
      expect(applied).toMatchObject({ code: 0, err: '' });

      expect((await rookery(['migrate', 'status', '--check'], environment)).code).toBe(0);
      const status = await rookery(['shards', 'status', '--exact'], environment);
      expect(status.out).toMatch(/^s1 +up +2,048 +50\.0% +0–2047 +0 /m);
      expect(status.out).toMatch(/^s2 +up +2,048 +50\.0% +2048–4095 +0 /m);
      expect(status.out).toMatch(/^article +0 +0 +0$/m);
      expect(status).toMatchObject({ code: 0, err: '' });
    },
    LIMIT_MS,
  );

  it(
    'says every fault of the configuration in one line, and ends with 78',
    async () => {
      const { code, out, err } = await rookery(['migrate', 'status'], {
        SHARD_URLS: 'mysql://x',
        POOL_MAX: '0',
      });
      expect({ code, out }).toEqual({ code: 78, out: '' });
      expect(err).toMatch(/^rookery: the configuration has 2 faults: SHARD_URLS: .*; POOL_MAX: .*\n$/);
    },
    LIMIT_MS,
  );
});

describe('npx rookery on embedded databases', () => {
  it(
    'starts them where nobody has, stops them then, and shares them with whoever runs them',
    async () => {
      const alone = await rookery(['migrate', 'up', '--json'], { EMBEDDED_SHARDS: '1' });
      expect(alone).toMatchObject({ code: 0, err: '' });
      expect((JSON.parse(alone.out) as { steps: unknown[] }).steps.length).toBeGreaterThan(3);
      const running = join(dataDir, 'postgres/data/postmaster.pid');
      expect(existsSync(running)).toBe(false);

      const server = await holdEmbeddedPostgres({ dataDir, databases: ['conduit_1'] });
      try {
        const beside = await rookery(['migrate', 'status', '--check'], { EMBEDDED_SHARDS: '1' });
        expect(beside.out).toMatch(/^s1 +up to date/m);
        expect(beside.code).toBe(0);
        expect(existsSync(running)).toBe(true);
      } finally {
        await server.release();
      }
      expect(existsSync(running)).toBe(false);
    },
    LIMIT_MS,
  );
});

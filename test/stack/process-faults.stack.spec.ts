import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { testDatabases, type TestDatabases } from '@rookery/devstack/testing';
import { buildIfStale } from '../../scripts/build-if-stale.mjs';
import { ChildSite } from '../support/child-site.js';
import { conduitDatabases } from '../support/site.js';

/**
 * What keeps a site from starting: the exit code says whether it is worth another try (78: it is not, the configuration is
 * at fault), and one line on standard error says what to do.
 */
const SECRET = 'a secret that is long enough for HS256';
const NOBODY_THERE = 'postgres://127.0.0.1:1/none';

let folder: string;
let databases: TestDatabases;
let empty: TestDatabases;
let squatter: Server;
let taken: string;
let disk: string | undefined;

beforeAll(async () => {
  await buildIfStale();
  folder = await mkdtemp(join(tmpdir(), 'conduit-faults-'));
  [databases, empty] = await Promise.all([conduitDatabases(2), testDatabases({ count: 1 })]);
  squatter = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(squatter, 'listening');
  taken = String((squatter.address() as AddressInfo).port);
  disk = await tinyDisk(join(folder, 'disk'));
}, 180_000);
afterAll(async () => {
  if (disk !== undefined) await promisify(execFile)('umount', [disk]);
  await new Promise((closed) => squatter.close(closed));
  await databases.drop();
  await empty.drop();
  await rm(folder, { recursive: true });
});

/** A disk too small for PostgreSQL; `undefined` where this user may not mount one. */
async function tinyDisk(path: string): Promise<string | undefined> {
  await mkdir(path);
  return promisify(execFile)('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=755', 'tmpfs', path]).then(
    () => path,
    () => undefined,
  );
}

async function write(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, text);
  return path;
}

/** Starts a site that cannot start: its exit code, and what it says of it. */
async function failing(environment: Readonly<Record<string, string>>): Promise<[number | null, string]> {
  const child = new ChildSite({ DATA_DIR: join(folder, 'data'), ...environment });
  try {
    await expect(child.ready()).rejects.toThrow('ended before');
    const { code } = await child.ended;
    expect(child.readyLines).toEqual([]);
    // One line, and nothing of the program's insides.
    expect(child.err).toMatch(/^conduit: [^\n]+\n$/);
    expect(child.err).not.toMatch(/\bat \S+:\d+:\d+|node_modules|Error:/);
    return [code, child.err.slice('conduit: '.length, -1)];
  } finally {
    await child.kill();
  }
}

describe('a configuration fault ends with 78 and one line that names', () => {
  it('every variable at fault, and what was expected', async () => {
    const [code, line] = await failing({ PORT: '99999', POOL_MAX: 'many', LOG_LEVEL: 'loud\nER' });
    expect(code).toBe(78);
    expect(line).toMatch(/^the configuration has 3 faults: /);
    for (const name of ['PORT', 'POOL_MAX', 'LOG_LEVEL']) expect(line).toContain(`${name}: `);
  });

  it('what production may not go without', async () => {
    const [code, line] = await failing({ NODE_ENV: 'production' });
    expect(code).toBe(78);
    expect(line).toContain('JWT_KEYS_FILE');
    expect(line).toContain('SHARD_URLS');
  });

  it('a file of keys that is none', async () => {
    const keys = await write('keys.json', '{"signing":');
    const [code, line] = await failing({ SHARD_URLS: databases.urls.join(','), JWT_KEYS_FILE: keys });
    expect([code, line]).toEqual([
      78,
      `the keys of ${keys} cannot be used: it is not JSON (RK_SECURITY_KEYS_INVALID)`,
    ]);
  });

  it('shards in another order than they were', async () => {
    const [code, line] = await failing({
      SHARD_URLS: databases.urls.toReversed().join(','),
      JWT_SECRET: SECRET,
    });
    expect(code).toBe(78);
    expect(line).toContain('says it is s2, not s1: were the URLs reordered');
    expect(line).toContain('(RK_SHARDING_IDENTITY)');
  });
});

describe('anything else ends with 1 and one line about', () => {
  it.each(['PORT', 'OPS_PORT'])('a %s that is taken', async (variable) => {
    const [code, line] = await failing({
      SHARD_URLS: databases.urls.join(','),
      JWT_SECRET: SECRET,
      [variable]: taken,
    });
    expect([code, line]).toEqual([
      1,
      `port ${taken} of 127.0.0.1 is taken: set ${variable} to another, or to 0 for any that is free`,
    ]);
  });

  it('a host that is not of this machine', async () => {
    const [code, line] = await failing({
      SHARD_URLS: databases.urls.join(','),
      JWT_SECRET: SECRET,
      // Of the block that documentation may use (RFC 5737).
      HOST: '192.0.2.1',
    });
    expect([code, line]).toEqual([
      1,
      'cannot listen on 192.0.2.1 (EADDRNOTAVAIL): set HOST to an address of this machine',
    ]);
  });

  it('a data folder that cannot be written', async () => {
    const file = await write('a-file', '');
    const [code, line] = await failing({ DATA_DIR: join(file, 'data') });
    expect(code).toBe(1);
    expect(line).toMatch(/^the data folder \S+ cannot be written .*\(RK_DEVSTACK_DATA_DIR_NOT_WRITABLE\)$/);
  });

  it('a data folder of another PostgreSQL', async () => {
    await write('old/postgres/data/PG_VERSION', '17\n');
    const [code, line] = await failing({ DATA_DIR: join(folder, 'old') });
    expect(code).toBe(1);
    expect(line).toContain('was made by PostgreSQL 17, and this is PostgreSQL 18: nothing was deleted');
  });

  it('a disk that is full', async () => {
    if (disk === undefined) {
      process.stderr.write('no disk can be mounted here: how a full one is reported was not tried\n');
      return;
    }
    const [code, line] = await failing({ DATA_DIR: disk });
    expect([code, line]).toEqual([
      1,
      `no space is left on the disk of ${disk}: free some and start again (RK_DEVSTACK_NO_SPACE)`,
    ]);
  });

  it('shards in an older schema, and the command that brings them up to date', async () => {
    const [code, line] = await failing({ SHARD_URLS: empty.urls.join(','), JWT_SECRET: SECRET });
    expect(code).toBe(1);
    expect(line).toContain('run `npx rookery migrate up` (RK_SHARDING_SCHEMA_OLDER)');
  });

  it('shards that cannot be brought up to date, since nobody answers', async () => {
    const [code, line] = await failing({
      SHARD_URLS: NOBODY_THERE,
      MIGRATIONS: 'auto',
      JWT_SECRET: SECRET,
    });
    expect([code, line]).toEqual([
      1,
      'the shards could not be brought up to date: connect ECONNREFUSED 127.0.0.1:1',
    ]);
  });
});

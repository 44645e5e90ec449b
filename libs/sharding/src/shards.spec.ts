import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { holdEmbeddedPostgres, type EmbeddedServer } from '@rookery/devstack';
import { testDatabases } from '@rookery/devstack/testing';
import { Deadline, newId } from '@rookery/kernel';
import { Migrator } from './migrations/migrator.js';
import { Shards } from './shards.js';
import type { ShardingOptions } from './sharding.options.js';
import { FaultyLink } from './testing/faulty-link.js';
import { testShards, type TestShards } from './testing/test-shards.js';
import { insertThing, Thing, thingById, things } from './testing/thing.js';
import { STEADY } from './testing/time.js';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const ON_FIRST = newId(7);
const ON_SECOND = newId(4_000);
/** Far from what it takes, and below the deadline of a call that would wait for the shard. */
const SOON_MS = 10_000;
const PATIENT = {
  connectTimeoutMs: STEADY.connectTimeoutMs,
  defaultDeadlineMs: STEADY.defaultDeadlineMs,
} as const;

const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

/** Asks until it is answered; every refusal on the way must be a coded 503 that says when to try again. */
async function untilServed(shards: Shards, id: string): Promise<void> {
  for (;;) {
    const failure = await failureOf(shards.query(id, thingById(id)));
    if (failure === undefined) return;
    expect(failure).toMatchObject({ status: 503, retryAfterSeconds: 1 });
    await pause(20);
  }
}

describe('shards of which one is away', () => {
  let cluster: TestShards;
  let links: FaultyLink[];
  beforeEach(async () => {
    links = [];
    cluster = await testShards({
      databases: testDatabases,
      migrations: [things],
      entities: [Thing],
      pollMs: 100,
      ...PATIENT,
      through: async (url) => {
        const link = await FaultyLink.to(url);
        links.push(link);
        return link.url;
      },
    });
    links.sort(
      (a, b) =>
        cluster.options.shards.findIndex(({ url }) => url === a.url) -
        cluster.options.shards.findIndex(({ url }) => url === b.url),
    );
  }, 60_000);
  afterEach(async () => {
    for (const link of links) {
      link.accept();
      link.thaw();
    }
    await cluster.close();
    await Promise.all(links.map((link) => link.close()));
  });

  it('boots without it, serves the others, answers for it fast, and takes it up when it comes', async () => {
    links[1]!.refuse();
    const replica = new Shards(cluster.options);
    expect(await replica.start()).toEqual({ away: ['s2'] });
    expect(await replica.query(ON_FIRST, thingById(ON_FIRST))).toEqual([]);
    const since = performance.now();
    for (const call of [
      () => replica.query(ON_SECOND, thingById(ON_SECOND)),
      () => replica.transaction(ON_SECOND, () => Promise.resolve()),
      () => replica.scatter({ text: 'SELECT 1' }),
    ]) {
      // It is known from the published map whose slot that is.
      expect(await failureOf(call())).toMatchObject({
        code: 'RK_SHARDING_SHARD_UNAVAILABLE',
        status: 503,
        retryAfterSeconds: 1,
        data: { shard: 's2' },
      });
    }
    expect(performance.now() - since).toBeLessThan(SOON_MS);
    expect(replica.status().map(({ state }) => state)).toEqual(['up', 'down']);
    const reports = await Promise.all(replica.probes().map((probe) => probe.check(100)));
    expect(reports.map(({ status }) => status)).toEqual(['up', 'down']);
    expect(replica.probes().map(({ name, critical }) => [name, critical])).toEqual([
      ['shard-s1', false],
      ['shard-s2', false],
    ]);
    links[1]!.accept();
    await untilServed(replica, ON_SECOND);
    await replica.transaction(ON_SECOND, async (tx) => tx.send(insertThing(ON_SECOND, 'back')));
    expect(replica.status()[1]).toMatchObject({ state: 'up', slots: 2_048 });
    expect(JSON.stringify(reports)).not.toContain('postgres://');
    await replica.close();
  });

  it('boots without the control database: the others route by what they own themselves', async () => {
    links[0]!.refuse();
    const warnings: string[] = [];
    const replica = new Shards({ ...cluster.options, onWarning: (message) => warnings.push(message) });
    expect(await replica.start()).toEqual({ away: ['s1'] });
    await replica.transaction(ON_SECOND, async (tx) => tx.send(insertThing(ON_SECOND, 'x')));
    expect(await failureOf(replica.query(ON_FIRST, thingById(ON_FIRST)))).toMatchObject({
      code: 'RK_SHARDING_SLOT_UNOWNED',
      status: 503,
      retryAfterSeconds: 1,
    });
    expect(warnings).toContainEqual('the published slot map cannot be read');
    links[0]!.accept();
    await untilServed(replica, ON_FIRST);
    await replica.close();
  });

  it('goes on when one dies later, and takes it up again without a restart', async () => {
    const warnings: string[] = [];
    const replica = await cluster.another({ onWarning: (message) => warnings.push(message) });
    await replica.scatter({ text: 'SELECT 1' });
    links[1]!.refuse();
    while (replica.status()[1]!.state === 'up') await pause(5);
    for (let i = 0; i < 20; i++) {
      const since = performance.now();
      expect(await failureOf(replica.query(ON_SECOND, thingById(ON_SECOND)))).toMatchObject({
        code: 'RK_SHARDING_SHARD_UNAVAILABLE',
      });
      expect(performance.now() - since).toBeLessThan(SOON_MS);
      expect(await replica.query(ON_FIRST, thingById(ON_FIRST))).toEqual([]);
    }
    links[1]!.accept();
    await untilServed(replica, ON_SECOND);
    expect(warnings.filter((text) => text.startsWith('shard s2 is away'))).toHaveLength(1);
    expect(warnings.at(-1)).toBe('shard s2 is back');
    await replica.close();
  });

  it('bounds every call while one freezes, answers fast once that is known, and recovers when it thaws', async () => {
    const replica = await cluster.another();
    await replica.scatter({ text: 'SELECT 1' });
    links[1]!.freeze();
    const since = performance.now();
    const failures = await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        failureOf(
          i % 2
            ? replica.transaction(ON_SECOND, (tx) => tx.query({ text: 'SELECT 1' }), {
                deadline: Deadline.after(300),
              })
            : replica.transaction(ON_SECOND, async (tx) => tx.send({ text: 'SELECT 1' }), {
                deadline: Deadline.after(300),
              }),
        ),
      ),
    );
    expect(performance.now() - since).toBeLessThan(SOON_MS);
    for (const failure of failures) {
      expect([
        'RK_KERNEL_DEADLINE_EXCEEDED',
        'RK_SHARDING_COMMIT_UNKNOWN',
        'RK_SHARDING_SHARD_UNAVAILABLE',
      ]).toContain((failure as { code?: string }).code);
    }
    while (replica.status()[1]!.state === 'up') await pause(10);
    const known = performance.now();
    expect(await failureOf(replica.query(ON_SECOND, thingById(ON_SECOND)))).toMatchObject({
      code: 'RK_SHARDING_SHARD_UNAVAILABLE',
    });
    expect(performance.now() - known).toBeLessThan(SOON_MS);
    expect(await replica.query(ON_FIRST, thingById(ON_FIRST))).toEqual([]);
    links[1]!.thaw();
    await untilServed(replica, ON_SECOND);
    await replica.close();
  });
});

describe('shards behind a pooler that shares sessions', () => {
  it('do all they do, and leave neither prepared statements nor settings behind', async () => {
    const cluster = await testShards({
      databases: testDatabases,
      migrations: [things],
      entities: [Thing],
      sessionState: false,
      poolMax: 1,
      ...STEADY,
    });
    const { shards } = cluster;
    const id = newId(7);
    const value = { kind: 'name', value: 'ada' };
    await shards.directory.transaction(id, { claim: [value] }, (tx) => tx.insert(Thing, { id, name: 'ada' }));
    await shards.directory.transaction(id, { claim: [], release: [value] }, () => Promise.resolve());
    expect(await shards.directory.sweep()).toBe(0);
    expect(await shards.query(id, thingById(id))).toEqual([{ name: 'ada' }]);
    expect((await shards.scatter({ text: 'SELECT 1' })).flat()).toHaveLength(2);
    const [state] = await shards.transaction(id, (tx) =>
      tx.query({
        text: `SELECT (SELECT count(*)::int FROM pg_prepared_statements) AS prepared,
                 (SELECT reset_val FROM pg_settings WHERE name = 'statement_timeout') AS timeout`,
      }),
    );
    expect(state).toEqual({ prepared: 0, timeout: '0' });
    await cluster.close();
  }, 60_000);
});

describe('shards on a server of their own', () => {
  let dataDir: string;
  let server: EmbeddedServer;
  let options: ShardingOptions;
  let shards: Shards;
  const start = async () => {
    server = await holdEmbeddedPostgres({
      dataDir,
      databases: ['own_1', 'own_2'],
      settings: { fsync: 'off', synchronous_commit: 'off' },
    });
  };

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'rookery-own-'));
    await chmod(dataDir, 0o755);
    await start();
    options = {
      shards: server.urls.map((url) => ({ url })),
      migrations: [things],
      pollMs: 1_000,
      ...PATIENT,
    };
    await new Migrator({ shards: options.shards, migrations: [things] }).up();
    // The first call looks whether the server is back, and here may wait for the answer of a busy one.
    shards = new Shards(options, { recheckWaitMs: 10_000 });
    await shards.start();
  }, 90_000);
  afterAll(async () => {
    await shards.close();
    await server.release();
    await rm(dataDir, { recursive: true, force: true });
  }, 60_000);

  it('serves the first read after PostgreSQL was restarted, and the first write', async () => {
    const id = newId(7);
    await shards.transaction(id, async (tx) => tx.send(insertThing(id, 'stays')));
    const { url } = options.shards[0]!;
    await server.release();
    await start();
    expect(server.urls[0]).toBe(url);
    expect(await shards.query(id, thingById(id))).toEqual([{ name: 'stays' }]);
    await server.release();
    await start();
    const other = newId(7);
    await shards.transaction(other, async (tx) => tx.send(insertThing(other, 'x')));
  }, 60_000);

  it('keeps the deadline when the whole server is stopped by a signal, and serves when it goes on', async () => {
    const id = newId(7);
    await shards.query(id, thingById(id));
    const pids = await processesOf(dataDir);
    try {
      for (const pid of pids) signal(pid, 'SIGSTOP');
      const since = performance.now();
      const deadline = () => ({ deadline: Deadline.after(300) });
      const failures = await Promise.all(
        Array.from({ length: 20 }, () =>
          failureOf(shards.transaction(id, (tx) => tx.query({ text: 'SELECT 1' }), deadline())),
        ),
      );
      expect(performance.now() - since).toBeLessThan(SOON_MS);
      for (const failure of failures) expect([503, 504]).toContain((failure as { status?: number }).status);
    } finally {
      for (const pid of pids) signal(pid, 'SIGCONT');
    }
    await untilServed(shards, id);
    await shards.transaction(id, (tx) => tx.query({ text: 'SELECT 1' }));
  }, 60_000);
});

/** A child of the server may have ended meanwhile. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** The server of a data folder and its children. */
async function processesOf(dataDir: string): Promise<number[]> {
  const first = (await readFile(join(dataDir, 'postgres', 'data', 'postmaster.pid'), 'utf8')).split('\n')[0];
  const postmaster = Number(first);
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=']);
  const all = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  return [postmaster, ...all.filter(([, parent]) => parent === postmaster).map(([pid]) => pid!)];
}

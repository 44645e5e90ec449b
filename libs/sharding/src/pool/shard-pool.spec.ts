import { testDatabases } from '@rookery/devstack/testing';
import fc from 'fast-check';
import pg from 'pg';
import { Deadline } from '@rookery/kernel';
import { FaultyLink } from '../testing/faulty-link.js';
import type { Connection } from './connection.js';
import { ShardPool, type ShardPoolOptions } from './shard-pool.js';

/** Far from what it takes, and from what it is told apart from: ten seconds of sleep, or no end at all. */
const SOON_MS = 8_000;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const inTime = () => Deadline.after(10_000);

describe('a pool', () => {
  let urls: string[];
  let drop: () => Promise<void>;
  let link: FaultyLink;
  let admin: pg.Client;
  let pool: ShardPool;
  const pools: ShardPool[] = [];

  beforeAll(async () => {
    ({ urls, drop } = await testDatabases({ count: 1 }));
    link = await FaultyLink.to(urls[0]!);
    admin = new pg.Client(urls[0]);
    await admin.connect();
  }, 60_000);
  beforeEach(() => {
    pool = make();
  });
  afterEach(async () => {
    link.thaw();
    link.accept();
    await Promise.all(pools.splice(0).map((one) => one.close()));
    // What is closing would be counted by the next test.
    while (link.connections > 0) await pause(2);
  });
  afterAll(async () => {
    await link.close();
    await admin.end();
    await drop();
  });

  function make(options: Partial<ShardPoolOptions> = {}): ShardPool {
    const made = new ShardPool({
      shard: 's1',
      url: link.url,
      max: 1,
      maxWaiting: 100,
      connectTimeoutMs: 30_000,
      sessionState: true,
      applicationName: 'pooled',
      wait: { observe: () => undefined },
      onTrouble: () => undefined,
      recheck: () => Promise.resolve(),
      ...options,
    });
    pools.push(made);
    return made;
  }

  const ask = async <R extends object>(
    text: string,
    deadline = inTime(),
    from: ShardPool = pool,
    name?: string,
  ): Promise<R[]> =>
    (await from.use(deadline, (connection) => connection.run<R>({ text, name }, deadline))).rows;
  const pidOf = async () => (await ask<{ pid: number }>('SELECT pg_backend_pid() AS pid'))[0]!.pid;

  /** Borrows a connection until the returned function is called. */
  async function hold(from: ShardPool = pool): Promise<() => void> {
    const [, giveBack] = await from.acquire(inTime());
    return giveBack;
  }

  it('opens connections on demand and never more than its limit', async () => {
    pool = make({ max: 3 });
    expect(pool.state).toEqual({ open: 0, idle: 0, waiting: 0, max: 3 });
    await ask('SELECT 1');
    expect(pool.state.open).toBe(1);
    let most = 0;
    await Promise.all(
      Array.from({ length: 40 }, () =>
        pool.use(inTime(), async (connection) => {
          most = Math.max(most, pool.state.open - pool.state.idle);
          await connection.run({ text: 'SELECT pg_sleep(0.002)' }, inTime());
        }),
      ),
    );
    expect(most).toBe(3);
    // One that is still opening when the work is done is none of the server's yet.
    while (pool.state.idle < 3) await pause(2);
    const { rows } = await admin.query<{ n: string }>(
      `SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'pooled' AND datname = current_database()`,
    );
    expect(rows[0]!.n).toBe('3');
  });

  it('serves callers in the order they came', async () => {
    const giveBack = await hold();
    const served: number[] = [];
    const callers = [0, 1, 2, 3].map((i) => ask('SELECT 1').then(() => served.push(i)));
    giveBack();
    await Promise.all(callers);
    expect(served).toEqual([0, 1, 2, 3]);
  });

  it('lets nobody wait past the deadline, and forgets whoever gave up', async () => {
    const giveBack = await hold();
    const since = performance.now();
    await expect(ask('SELECT 1', Deadline.after(80))).rejects.toMatchObject({
      code: 'RK_KERNEL_DEADLINE_EXCEEDED',
    });
    // Timers may be two milliseconds early by this clock.
    expect(performance.now() - since).toBeGreaterThanOrEqual(78);
    expect(performance.now() - since).toBeLessThan(SOON_MS);
    expect(pool.state.waiting).toBe(0);
    giveBack();
    await expect(ask('SELECT 1', Deadline.after(-1))).rejects.toMatchObject({
      code: 'RK_KERNEL_DEADLINE_EXCEEDED',
    });
    expect(await ask('SELECT 1')).toHaveLength(1);
    expect(pool.state).toMatchObject({ open: 1, idle: 1 });
  });

  it('waits as long as the deadline allows, even beyond the time a connection may take to open', async () => {
    pool = make({ connectTimeoutMs: 600 });
    // It may take more than one try to open within that time.
    let giveBack: (() => void) | undefined;
    while (!giveBack) {
      giveBack = await hold().catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'RK_SHARDING_SHARD_UNAVAILABLE' });
        return undefined;
      });
    }
    const late = ask('SELECT 1');
    await pause(800);
    giveBack();
    expect(await late).toHaveLength(1);
  });

  it('turns callers away when too many wait already', async () => {
    pool = make({ maxWaiting: 2 });
    const giveBack = await hold();
    const waiting = [ask('SELECT 1'), ask('SELECT 1')];
    await expect(ask('SELECT 1')).rejects.toMatchObject({
      code: 'RK_SHARDING_POOL_EXHAUSTED',
      status: 503,
      retryAfterSeconds: 1,
    });
    giveBack();
    await Promise.all(waiting);
  });

  it('keeps a connection that came too late for whoever asked for it', async () => {
    link.freeze();
    await expect(ask('SELECT 1', Deadline.after(50))).rejects.toMatchObject({
      code: 'RK_KERNEL_DEADLINE_EXCEEDED',
    });
    link.thaw();
    while (pool.state.idle === 0) await pause(5);
    const before = link.connections;
    await ask('SELECT 1');
    expect(link.connections).toBe(before);
    expect(pool.state).toMatchObject({ open: 1, idle: 1, waiting: 0 });
  });

  it('has the server cancel a statement at the deadline, and keeps the connection', async () => {
    // It is the server's answer that this is about, however long it takes to come.
    pool = make({ cancelGraceMs: 30_000 });
    const pid = await pidOf();
    const since = performance.now();
    await expect(ask('SELECT pg_sleep(10)', Deadline.after(500))).rejects.toMatchObject({
      code: 'RK_KERNEL_DEADLINE_EXCEEDED',
      cause: { code: '57014' },
    });
    expect(performance.now() - since).toBeLessThan(SOON_MS);
    expect(await pidOf()).toBe(pid);
  });

  it('cuts a connection whose server does not answer past the deadline, and opens another', async () => {
    const pid = await pidOf();
    process.kill(pid, 'SIGSTOP');
    try {
      const since = performance.now();
      const outcome = ask('SELECT 1', Deadline.after(150));
      await expect(outcome).rejects.toMatchObject({ code: 'RK_KERNEL_DEADLINE_EXCEEDED' });
      expect(performance.now() - since).toBeLessThan(SOON_MS);
      expect(await pidOf()).not.toBe(pid);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });

  it('cuts a borrowed connection that its borrower forgot', async () => {
    // One is open already: the deadline is there to be forgotten, not to open a connection by.
    await ask('SELECT 1');
    const [connection, giveBack] = await pool.acquire(Deadline.after(100));
    while (!connection.broken) await pause(10);
    expect(connection.broken).toMatchObject({ code: 'RK_KERNEL_DEADLINE_EXCEEDED' });
    giveBack();
  });

  it('never leaves a session with a timeout shorter than the next deadline, nor much longer', async () => {
    const sizes = fc.integer({ min: 10_000, max: 15_000_000 });
    await fc.assert(
      fc.asyncProperty(fc.array(sizes, { minLength: 2, maxLength: 8 }), async (budgets) => {
        for (const budget of budgets) {
          const since = performance.now();
          const [row] = await ask<{ ms: number }>(
            `SELECT setting::int AS ms FROM pg_settings WHERE name = 'statement_timeout'`,
            Deadline.after(budget),
          );
          // A little of the budget is gone by the time it is sent; nothing is by the time it was given.
          expect(row!.ms).toBeGreaterThanOrEqual(budget - (performance.now() - since));
          expect(row!.ms).toBeLessThanOrEqual(budget * 2.6);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('leaves nothing in a session that is shared behind a pooler, and bounds statements all the same', async () => {
    pool = make({ sessionState: false });
    await expect(ask('SELECT pg_sleep(10)', Deadline.after(100))).rejects.toMatchObject({
      code: 'RK_KERNEL_DEADLINE_EXCEEDED',
    });
    await expect(ask('SELECT 1 / 0')).rejects.toMatchObject({ code: '22012' });
    expect(await ask('SELECT 1 AS one', inTime(), pool, 'named')).toEqual([{ one: 1 }]);
    const [connection, giveBack] = await pool.acquire(inTime());
    const state = await connection.send<{ timeout: string; names: string }>({
      text: `SELECT current_setting('statement_timeout') AS timeout,
             (SELECT count(*) FROM pg_prepared_statements) AS names`,
    });
    expect(state.rows).toEqual([{ timeout: '0', names: '0' }]);
    giveBack();
  });

  it('lends no connection again that came back with a transaction open', async () => {
    const [connection, giveBack] = await pool.acquire(inTime());
    await connection.send({ text: 'BEGIN' });
    giveBack();
    giveBack();
    expect(pool.state.open).toBe(0);
    const [row] = await ask<{ open: boolean }>(
      'SELECT now() = statement_timestamp() AND now() <> clock_timestamp() AS open',
    );
    expect(row).toBeDefined();
  });

  it('drops every idle connection when one of them breaks, and says so', async () => {
    let troubles = 0;
    pool = make({ max: 3, onTrouble: () => (troubles += 1) });
    const back = await Promise.all([hold(), hold(), hold()]);
    for (const giveBack of back) giveBack();
    expect(pool.state).toMatchObject({ open: 3, idle: 3 });
    link.cut();
    while (pool.state.open > 0) await pause(2);
    expect(troubles).toBe(1);
    expect(await ask('SELECT 1')).toHaveLength(1);
  });

  it('believes no idle connection any more once a borrowed one was lost', async () => {
    pool = make({ max: 3 });
    const back = await Promise.all([hold(), hold(), hold()]);
    for (const giveBack of back) giveBack();
    link.forget();
    await expect(ask('SELECT 1')).rejects.toMatchObject({ code: 'RK_SHARDING_CONNECTION_LOST' });
    expect(await ask('SELECT 1')).toHaveLength(1);
    expect(pool.state).toMatchObject({ open: 1, idle: 1 });
  });

  it('survives the end of a backend under a statement, and tells its caller', async () => {
    const pid = await pidOf();
    const asked = ask('SELECT pg_sleep(10)');
    const told = expect(asked).rejects.toMatchObject({ code: 'RK_SHARDING_CONNECTION_LOST', status: 503 });
    await pause(20);
    await admin.query('SELECT pg_terminate_backend($1)', [pid]);
    await told;
    expect(await ask('SELECT 1')).toHaveLength(1);
  });

  it('says at once that its shard is away, also to those who wait, and serves again when it is back', async () => {
    let rechecks = 0;
    pool = make({ recheck: () => Promise.resolve(void (rechecks += 1)) });
    const giveBack = await hold();
    const waiting = expect(ask('SELECT 1')).rejects.toMatchObject({ code: 'RK_SHARDING_SHARD_UNAVAILABLE' });
    pool.markAway(new Error('frozen'));
    await waiting;
    const since = performance.now();
    await expect(ask('SELECT 1')).rejects.toMatchObject({
      code: 'RK_SHARDING_SHARD_UNAVAILABLE',
      status: 503,
      retryAfterSeconds: 1,
    });
    expect(performance.now() - since).toBeLessThan(SOON_MS);
    expect(rechecks).toBe(1);
    giveBack();
    pool.markBack();
    expect(await ask('SELECT 1')).toHaveLength(1);
  });

  it('tells those who wait when no connection can be opened', async () => {
    link.refuse();
    await expect(Promise.all([ask('SELECT 1'), ask('SELECT 1')])).rejects.toMatchObject({
      code: 'RK_SHARDING_SHARD_UNAVAILABLE',
    });
    link.accept();
    expect(await ask('SELECT 1')).toHaveLength(1);
    expect(pool.state).toMatchObject({ open: 1, idle: 1, waiting: 0 });
  });

  it('waits in close for what is borrowed, takes no more callers, and leaves nothing open', async () => {
    pool = make({ closeGraceMs: 30_000 });
    let closed = false;
    let borrowed: Connection | undefined;
    const work = pool.use(inTime(), async (connection) => {
      borrowed = connection;
      await connection.run({ text: 'SELECT pg_sleep(0.05)' }, inTime());
      expect(closed).toBe(false);
    });
    while (!borrowed) await pause(1);
    const closing = pool.close().then(() => (closed = true));
    await expect(ask('SELECT 1')).rejects.toMatchObject({ code: 'RK_SHARDING_SHARD_UNAVAILABLE' });
    await work;
    await closing;
    expect(pool.state.open).toBe(0);
  });
});

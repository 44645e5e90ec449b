// needs: redis
import { until } from '../support/until.js';
import { CacheProcess } from './support/cache-process.js';
import { openRedisStage, type RedisStage } from './support/redis-stage.js';

/** Long, so that nobody is taken for silent because this machine does other things as well; and told from no wait at all. */
const BOUNDS = { deadlineMs: 1_000, acknowledgeWithinMs: 3_000 };
/** Less than a wait for somebody who is silent takes, and far more than no wait. */
const SILENT_MS = 2_000;

describe('caches in processes of their own, over one Redis', () => {
  let stage: RedisStage;
  let processes: CacheProcess[];
  const tags = ['tag'];
  beforeAll(async () => {
    stage = await openRedisStage({}, BOUNDS);
    const options = { ...BOUNDS, redisUrl: stage.redis.url, waitForOthersMs: 60_000 };
    processes = await Promise.all(Array.from({ length: 4 }, () => CacheProcess.start(options)));
  });
  afterAll(async () => {
    await Promise.all((processes ?? []).map((process) => process.end()));
    await stage?.close();
  });

  it('load once for a hundred cold callers in two of them', async () => {
    const storm = { key: 'cold', tags, value: 1, loadMs: 200, readers: 50 };
    const both = processes.slice(0, 2).map((one) => one.ask<{ loads: number }>('storm', storm));
    expect((await Promise.all(both)).reduce((sum, { loads }) => sum + loads, 0)).toBe(1);
  });

  it('never give the old value after an invalidation during its load', async () => {
    const [one, other] = processes as [CacheProcess, CacheProcess];
    const before = await one.ask<number>('loads', {});
    const slow = one.ask('get', { key: 'raced', tags, value: 'old', loadMs: 300 });
    await until('it loads', async () => (await one.ask<number>('loads', {})) > before);
    await other.ask('invalidate', { tags });
    const fresh = { key: 'raced', tags, value: 'new' };
    const all = () => Promise.all(processes.map((process) => process.ask('get', fresh)));
    expect(await all()).toEqual(['new', 'new', 'new', 'new']);
    await slow;
    expect(await all()).toEqual(['new', 'new', 'new', 'new']);
  });

  it('acknowledge an invalidation to four within 10 ms, and are fresh by then', async () => {
    const [writer, ...others] = processes as [CacheProcess, ...CacheProcess[]];
    for (let i = 0; i < 50; i += 1) {
      for (const process of others) await process.ask('get', { key: 'k', tags, value: i });
      await writer.ask('invalidate', { tags });
      expect(await Promise.all(others.map((process) => process.ask('peek', { key: 'k' })))).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
    }
    const took = await writer.ask<number[]>('invalidate', { tags, times: 1_000 });
    // The median of the best twenty in a row: others are late on a machine that does other things as well.
    const medians = Array.from(
      { length: 50 },
      (_, at) => took.slice(at * 20, (at + 1) * 20).toSorted((a, b) => a - b)[10]!,
    );
    expect(Math.min(...medians)).toBeLessThan(10);
  });

  it('wait for one that is frozen until it trusts nothing, and it serves nothing stale when it wakes', async () => {
    const [writer, frozen] = processes as [CacheProcess, CacheProcess];
    await frozen.ask('get', { key: 'f', tags, value: 'old' });
    frozen.signal('SIGSTOP');
    const [first] = await writer.ask<number[]>('invalidate', { tags });
    const [second] = await writer.ask<number[]>('invalidate', { tags });
    expect(first).toBeGreaterThan(SILENT_MS);
    expect(second).toBeLessThan(SILENT_MS);
    const asked = Promise.all([
      frozen.ask('peek', { key: 'f' }),
      frozen.ask('get', { key: 'f', tags, value: 'new' }),
    ]);
    frozen.signal('SIGCONT');
    expect(await asked).toEqual([undefined, 'new']);
  });

  it('wait once for one that was killed', async () => {
    const [writer, killed] = processes as [CacheProcess, CacheProcess];
    await killed.end();
    await writer.ask('invalidate', { tags });
    const [again] = await writer.ask<number[]>('invalidate', { tags });
    expect(again).toBeLessThan(SILENT_MS);
  });
});

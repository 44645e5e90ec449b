import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { Cache, createCache, MemoryDriver, MemoryHub, type CacheOptions } from './index.js';
import { settled } from './cache.options.js';

const caches: Cache[] = [];
async function started(options: CacheOptions = {}, hub?: MemoryHub): Promise<Cache> {
  const cache = hub ? new Cache(new MemoryDriver(hub), settled(options)) : createCache(options);
  caches.push(cache);
  await cache.start();
  return cache;
}
afterEach(async () => {
  for (const cache of caches.splice(0)) await cache.stop();
});

/** A promise that the test keeps. */
function gate(): { open: () => void; passed: Promise<void> } {
  let open!: () => void;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { open, passed };
}

const minute = { tags: ['article:1'], ttlMs: 60_000 };

describe('Cache', () => {
  it('loads once for a hundred cold callers', async () => {
    const cache = await started();
    let loads = 0;
    const load = async () => ({ loads: (loads += 1), at: await delay(5, 'now') });
    const values = await Promise.all(Array.from({ length: 100 }, () => cache.get('k', load, minute)));
    expect(new Set(values.map((value) => value.loads))).toEqual(new Set([1]));
    expect(cache.stats()).toMatchObject({ refills: 1, stampedesAvoided: 99 });
  });

  it('loads once for a hundred cold callers on two caches', async () => {
    const hub = new MemoryHub({ maxBytes: 1e6 });
    // However long the load is held up, nobody gives up waiting for it.
    const patient = { waitForOthersMs: 60_000 };
    const [one, other] = [await started(patient, hub), await started(patient, hub)];
    let loads = 0;
    const load = async () => ({ loads: (loads += 1), at: await delay(5, 'now') });
    const calls = Array.from({ length: 100 }, (_, i) => (i % 2 ? one : other).get('k', load, minute));
    expect(new Set((await Promise.all(calls)).map((value) => value.loads))).toEqual(new Set([1]));
  });

  it('gives the same frozen value whether it was loaded or found', async () => {
    const cache = await started();
    const load = () => Promise.resolve({ at: new Date(0), list: [1] });
    const first = await cache.get('k', load, minute);
    const second = await cache.get('k', load, minute);
    expect(first).toEqual({ at: '1970-01-01T00:00:00.000Z', list: [1] });
    expect(second).toBe(first);
    expect(() => first.list.push(2)).toThrow(TypeError);
  });

  it('never gives, after an invalidation, what was being loaded before it', async () => {
    const cache = await started();
    let row = 'old';
    const [begun, reading] = [gate(), gate()];
    const slow = async () => {
      const seen = row;
      begun.open();
      await reading.passed;
      return seen;
    };
    const before = cache.get('k', slow, minute);
    await begun.passed;
    row = 'new';
    await cache.invalidate(['article:1']);
    const after = cache.get('k', () => Promise.resolve(row), minute);
    expect(await after).toBe('new');
    reading.open();
    await before;
    expect(await cache.get('k', () => Promise.resolve('unused'), minute)).toBe('new');
  });

  it('keeps entries as bytes with a strong ETag, and gives them at once before the router', async () => {
    const cache = await started();
    const load = () => Promise.resolve({ body: '{"a":1}', contentType: 'application/json' });
    expect(cache.peek('k')).toBeUndefined();
    const loaded = await cache.getEntry('k', load, minute);
    expect(loaded).toMatchObject({ status: 'miss', contentType: 'application/json', negative: false });
    expect(loaded.etag).toMatch(/^"[\w-]{22}"$/);
    const found = cache.peek('k')!;
    expect(found).toMatchObject({ status: 'hit', etag: loaded.etag });
    expect(found.body.toString()).toBe('{"a":1}');
    // A minute ±5%, less what has passed since.
    expect(found.ttlMs).toBeGreaterThan(30_000);
    expect(found.ttlMs).toBeLessThanOrEqual(63_000);
    await cache.invalidate(['article:1']);
    expect(cache.peek('k')).toBeUndefined();
  });

  it('serves what was softly invalidated while it loads anew, and when that fails', async () => {
    const cache = await started();
    const options = { ...minute, staleMs: 60_000 };
    await cache.getEntry('k', () => Promise.resolve('old'), options);
    await cache.invalidate(['article:1'], { mode: 'soft' });
    const asked = gate();
    const fails = async () => {
      await asked.passed;
      throw new Error('the database is away');
    };
    expect(await cache.getEntry('k', fails, options)).toMatchObject({ status: 'stale', ttlMs: 0 });
    expect((await cache.getEntry('k', fails, options)).body.toString()).toBe('old');
    asked.open();
    while (cache.stats().failedRefills === 0) await delay(1);
    expect(cache.stats()).toMatchObject({ stale: 2, failedRefills: 1 });
    expect((await cache.getEntry('k', fails, options)).body.toString()).toBe('old');
  });

  it('loads anew in the background what was softly invalidated', async () => {
    const cache = await started();
    const options = { ...minute, staleMs: 60_000 };
    await cache.get('k', () => Promise.resolve('old'), options);
    await cache.invalidate(['article:1'], { mode: 'soft' });
    const renewed = gate();
    const load = () => (renewed.open(), Promise.resolve('new'));
    expect(await cache.get('k', load, options)).toBe('old');
    await renewed.passed;
    while (cache.stats().refills < 2) await delay(1);
    expect(await cache.get('k', load, options)).toBe('new');
    expect(cache.stats().refills).toBe(2);
  });

  it('never serves what was invalidated hard, even when the load fails', async () => {
    const cache = await started();
    const options = { ...minute, staleMs: 60_000 };
    await cache.get('k', () => Promise.resolve('old'), options);
    await cache.invalidate(['article:1']);
    const fails = () => Promise.reject(new Error('the database is away'));
    await expect(cache.get('k', fails, options)).rejects.toThrow('the database is away');
  });

  it('keeps that there is nothing for as long as it is told to', async () => {
    const cache = await started();
    let loads = 0;
    const nothing = () => Promise.resolve((loads += 1) < 0 ? 'never' : null);
    expect(await cache.get('not kept', nothing, minute)).toBeNull();
    expect(await cache.get('not kept', nothing, minute)).toBeNull();
    expect(loads).toBe(2);
    for (let i = 0; i < 3; i += 1)
      expect(await cache.get('kept', nothing, { ...minute, negativeTtlMs: 60_000 })).toBeNull();
    expect(loads).toBe(3);
  });

  it('loads a read entry anew shortly before its end', async () => {
    const cache = await started();
    const now = performance.now.bind(performance);
    let ahead = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => now() + ahead);
    try {
      let loads = 0;
      const renewed = gate();
      const load = async () => {
        loads += 1;
        // So dear a load makes it early with near certainty: by all of the last tenth.
        if (loads === 1) ahead += 1e12;
        else await renewed.passed;
        return { loads };
      };
      const options = { tags: ['t'], ttlMs: 600_000 };
      await cache.get('k', load, options);
      const lifeMs = cache.peek('k')!.ttlMs;
      ahead += 0.85 * lifeMs;
      await cache.get('k', load, options);
      // A load lets the event loop turn once at most before it begins.
      await turn();
      expect(loads).toBe(1);
      ahead += 0.1 * lifeMs;
      expect(await cache.get('k', load, options)).toEqual({ loads: 1 });
      while (loads < 2) await delay(1);
      expect(await cache.get('k', load, options)).toEqual({ loads: 1 });
      renewed.open();
      while ((await cache.get('k', load, options)).loads < 2) await delay(1);
      expect(cache.stats()).toMatchObject({ misses: 1, refills: 2 });
    } finally {
      clock.mockRestore();
    }
  });

  it('refuses tags that are none, and lifetimes that are none', async () => {
    const cache = await started();
    const load = () => Promise.resolve(1);
    const code = 'RK_CACHE_BAD_READ';
    await expect(cache.get('k', load, { tags: [], ttlMs: 1 })).rejects.toMatchObject({ code });
    await expect(cache.get('k', load, { tags: ['*'], ttlMs: 1 })).rejects.toMatchObject({ code });
    await expect(cache.get('k', load, { tags: ['t'], ttlMs: 0 })).rejects.toMatchObject({ code });
    await expect(cache.invalidate([''])).rejects.toMatchObject({ code });
    expect(() => createCache({ namespace: 'a b' })).toThrow('namespace');
  });

  it('tells operators what it keeps', async () => {
    const cache = await started();
    await cache.get('k', () => Promise.resolve('value'), minute);
    expect(await cache.explain('k')).toMatchObject({
      inStep: true,
      local: { state: 'fresh', tags: ['article:1'] },
    });
    await cache.invalidate(['article:1']);
    expect((await cache.explain('k')).local).toMatchObject({ state: 'invalidated' });
    expect(await cache.probe.check(10)).toMatchObject({ status: 'up' });
  });

  it('ends a load that takes too long', async () => {
    const cache = await started({ loadTimeoutMs: 20 });
    let aborted: boolean | undefined;
    const hangs = ({ signal }: { signal?: AbortSignal }) =>
      new Promise<string>(() => signal?.addEventListener('abort', () => (aborted = true)));
    await expect(cache.get('k', hangs, minute)).rejects.toMatchObject({ code: 'RK_CACHE_LOAD_TIMEOUT' });
    expect(aborted).toBe(true);
  });

  it('lets no more loads run than it is told, and refuses what would wait too long', async () => {
    const cache = await started({ bulkhead: { concurrent: 2, waiting: 2 } });
    const [full, door] = [gate(), gate()];
    let [running, most] = [0, 0];
    const load = async () => {
      most = Math.max(most, (running += 1));
      if (running === 2) full.open();
      await door.passed;
      running -= 1;
      return 1;
    };
    const calls = ['a', 'b', 'c', 'd'].map((key) => cache.get(key, load, minute));
    await full.passed;
    await expect(cache.get('e', load, minute)).rejects.toMatchObject({ code: 'RK_CACHE_OVERLOADED' });
    door.open();
    await Promise.all(calls);
    expect(most).toBe(2);
  });

  it('lets a load read the cache, whatever else is loaded', async () => {
    const cache = await started({ bulkhead: { concurrent: 1 } });
    const inner = () => cache.get('inner', () => Promise.resolve('inner'), minute);
    expect(await cache.get('outer', inner, minute)).toBe('inner');
  });
});

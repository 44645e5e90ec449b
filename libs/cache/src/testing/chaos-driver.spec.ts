import { setTimeout as delay } from 'node:timers/promises';
import { Cache } from '../cache.js';
import { settled } from '../cache.options.js';
import { MemoryDriver, MemoryHub } from '../drivers/memory/memory-driver.js';
import { ChaosDriver, type Chaos } from './chaos-driver.js';
import { watchForStaleReads } from './stale-read-watch.js';

const options = { tags: ['t'], ttlMs: 60_000, staleMs: 60_000 };
const caches: Cache[] = [];

async function started(hub: MemoryHub, chaos: Partial<Chaos> = {}): Promise<[Cache, Chaos]> {
  const driver = new ChaosDriver(new MemoryDriver(hub), chaos);
  const cache = new Cache(driver, settled({}));
  caches.push(cache);
  await cache.start();
  return [cache, driver.chaos];
}
afterEach(async () => {
  for (const cache of caches.splice(0)) await cache.stop();
});

describe('caches over a driver with faults', () => {
  it('give no stale read while calls fail, come late, and replicas hear nothing for a while', async () => {
    const hub = new MemoryHub({ maxBytes: 1e6 });
    const all = [
      await started(hub, { failing: 0.3, upToMs: 3 }),
      await started(hub, { failing: 0.3, upToMs: 3 }),
      await started(hub),
    ];
    const watch = watchForStaleReads(all.map(([cache]) => cache));
    for (const [cache, chaos] of all) {
      chaos.deaf = true;
      await delay(200);
      // The watch may have been held up all the while.
      while (cache.stats().bypasses === 0) await delay(5);
      chaos.deaf = false;
      await delay(100);
    }
    const faults = () => all.reduce((sum, [cache]) => sum + cache.stats().driverFaults, 0);
    while (faults() === 0) await delay(5);
    await watch.stop();
    expect(watch.staleReads).toEqual([]);
  });

  it('load when nobody answers', async () => {
    const [cache] = await started(new MemoryHub({ maxBytes: 1e6 }), { failing: 1 });
    expect(await cache.get('k', () => Promise.resolve(1), options)).toBe(1);
    // Memory is right for as long as it hears of invalidations.
    expect(await cache.get('k', () => Promise.resolve(2), options)).toBe(1);
  });

  it('share loads of one key, and never one that began before the reader came, while out of step', async () => {
    const [cache, chaos] = await started(new MemoryHub({ maxBytes: 1e6 }));
    chaos.deaf = true;
    let [row, running, most, loads] = [0, 0, 0, 0];
    const load = async () => {
      loads += 1;
      most = Math.max(most, (running += 1));
      const seen = row;
      await delay(5);
      running -= 1;
      return seen;
    };
    const first = cache.get('k', load, options);
    while (loads === 0) await delay(0);
    row = 1;
    const later = await Promise.all(Array.from({ length: 50 }, () => cache.get('k', load, options)));
    expect(await first).toBe(0);
    expect(new Set(later)).toEqual(new Set([1]));
    expect({ most, loads }).toEqual({ most: 1, loads: 2 });
    expect((await cache.getEntry('k', () => Promise.resolve('x'), options)).status).toBe('bypass');
    expect((await cache.probe.check(10)).status).toBe('degraded');
  });

  it('serve nothing at all from memory, not even stale, while out of step', async () => {
    const [cache, chaos] = await started(new MemoryHub({ maxBytes: 1e6 }));
    await cache.get('k', () => Promise.resolve('old'), options);
    chaos.deaf = true;
    expect(cache.peek('k')).toBeUndefined();
    const fails = () => Promise.reject(new Error('the database is away'));
    await expect(cache.get('k', fails, options)).rejects.toThrow('the database is away');
  });
});

import { Cache } from './cache.js';
import { settled } from './cache.options.js';
import { MemoryDriver } from './drivers/memory/memory-driver.js';
import { ChaosDriver } from './testing/chaos-driver.js';

const MANY = 50_000;

describe('loads that wait for nothing', () => {
  it('let timers and sockets have their turn, or nobody would hear that Redis is back', async () => {
    const cache = new Cache(new ChaosDriver(new MemoryDriver(), { deaf: true }), settled({}));
    await cache.start();
    let hasTurned = false;
    setImmediate(() => (hasTurned = true));
    let reads = 0;
    while (!hasTurned && reads < MANY) {
      reads += 1;
      await cache.get(`key ${reads}`, () => Promise.resolve(reads), { tags: ['t'], ttlMs: 60_000 });
    }
    await cache.stop();
    expect(cache.stats().bypasses).toBe(reads);
    expect(hasTurned).toBe(true);
  });
});

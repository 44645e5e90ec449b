// A replica of nothing but a cache: it does what it is told by its parent. Argument: options of the cache, in JSON.
import { setTimeout as delay } from 'node:timers/promises';
import '../../../scripts/run-source.mjs';

const { createCache } = await import('@rookery/cache');
const cache = createCache({ namespace: 'test', ...JSON.parse(process.argv[2]) });
let loads = 0;

const does = {
  get: ({ key, tags, value, loadMs = 0 }) =>
    cache.get(
      key,
      async () => {
        loads += 1;
        await delay(loadMs);
        return value;
      },
      { tags, ttlMs: 60_000 },
    ),
  /** So many readers at once. */
  storm: async ({ readers, ...read }) => {
    const values = await Promise.all(Array.from({ length: readers }, () => does.get(read)));
    return { values: [...new Set(values)], loads };
  },
  loads: () => loads,
  peek: ({ key }) => cache.peek(key)?.body.toString(),
  /** Milliseconds that each of so many invalidations took until it was acknowledged. */
  invalidate: async ({ tags, times = 1 }) => {
    const took = [];
    for (let i = 0; i < times; i += 1) {
      const began = performance.now();
      const { acknowledged } = await cache.invalidate(tags);
      took.push(acknowledged ? performance.now() - began : Infinity);
    }
    return took;
  },
};

await cache.start();
process.on('message', ({ id, what, ...args }) => {
  // What fails ends the process, as nobody would hear of it otherwise.
  void Promise.resolve(does[what](args)).then((answer) => process.send({ id, answer }));
});
process.on('disconnect', () => void cache.stop());
process.send({ id: 0 });

import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { redisBusDriver, redisDriver } from 'bentocache/drivers/redis';
import type { Library } from '../library.js';

/** Memory, Redis behind it, and its bus between the replicas. */
export const bentocache: Library = {
  name: 'bentocache 1.6',
  open: (url) => {
    const { hostname: host, port } = new URL(url);
    const connection = { host, port: Number(port) };
    const store = bentostore()
      .useL1Layer(memoryDriver({ maxItems: 1_000 }))
      .useL2Layer(redisDriver({ connection }))
      .useBus(redisBusDriver({ connection }));
    const cache = new BentoCache({ default: 'shared', stores: { shared: store } });
    return Promise.resolve({
      read: (key, load) => cache.getOrSet({ key, factory: load, ttl: '1m' }),
      invalidate: (key) => cache.delete({ key }),
      reset: () => cache.clear(),
    });
  },
};

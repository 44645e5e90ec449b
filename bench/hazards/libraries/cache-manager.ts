import { caching, multiCaching } from 'cache-manager';
import { redisStore } from 'cache-manager-redis-yet';
import { TTL_MS, type Library } from '../library.js';

/** One cache in Redis. */
export const cacheManager: Library = {
  name: 'cache-manager 5, redis-yet',
  open: async (url) => {
    const cache = await caching(await redisStore({ url, ttl: TTL_MS }));
    return {
      read: (key, load) => cache.wrap(key, load, TTL_MS),
      invalidate: (key) => cache.del(key),
      reset: () => cache.reset(),
    };
  },
};

/** Memory before Redis. */
export const cacheManagerTiered: Library = {
  name: 'the same, memory before it',
  open: async (url) => {
    const memory = await caching('memory', { ttl: TTL_MS, max: 1_000 });
    const redis = await caching(await redisStore({ url, ttl: TTL_MS }));
    const cache = multiCaching([memory, redis]);
    return {
      read: (key, load) => cache.wrap(key, load, TTL_MS),
      invalidate: (key) => cache.del(key),
      reset: () => cache.reset(),
    };
  },
};

import type { CacheSettings } from '../cache.options.js';
import type { CacheDriver } from './driver.js';
import { MemoryDriver } from './memory/memory-driver.js';
import { RedisDriver } from './redis/redis-driver.js';

export function driverFor(settings: CacheSettings): CacheDriver {
  const { redisUrl } = settings;
  if (redisUrl === undefined) return new MemoryDriver();
  return typeof redisUrl === 'string'
    ? new RedisDriver([redisUrl], false, settings)
    : new RedisDriver(redisUrl, true, settings);
}

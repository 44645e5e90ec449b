export { Cache, type CacheStats } from './cache.js';
export { cacheErrors } from './cache.errors.js';
export type { CacheCounts, ReadStatus } from './cache.metrics.js';
export { CacheModule, createCache } from './cache.module.js';
export type { CacheOptions } from './cache.options.js';
export type { CachedEntry } from './cached-entry.js';
export type { BulkheadOptions } from './bulkhead.js';
export type {
  Acknowledgement,
  CacheDriver,
  DriverEntry,
  DriverListener,
  DriverRead,
  DriverState,
  EntryMeta,
  LeaseWish,
  StoredRecord,
  Versions,
} from './drivers/driver.js';
export { MemoryDriver, MemoryHub } from './drivers/memory/memory-driver.js';
export { inspectRedis, type RegisteredReplica, type SharedFigures } from './drivers/redis/inspect.js';
export { RedisDriver } from './drivers/redis/redis-driver.js';
export type { EntryState, Explanation } from './explain.js';
export type { CacheReadOptions, Codec, LoadContext, LoadedEntry } from './loaded.js';
export type { InvalidationMode } from './tag-table.js';
export { Cached, type CachedOptions, type CachedRequest } from './http/cached.decorator.js';
export { EarlyIndex, type ReadyAnswer } from './http/early-index.js';
export { HttpCacheModule } from './http/http-cache.module.js';
export type { HttpCacheOptions } from './http/http-cache.options.js';

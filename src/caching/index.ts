export { CacheGate } from './cache-gate.js';
export { CachingModule } from './caching.module.js';

import { setTimeout as delay } from 'node:timers/promises';
import { createCache, RedisDriver, type Cache, type CacheOptions } from '@rookery/cache';
import type { DriverStage } from '@rookery/cache/testing';
import {
  startRedis,
  startRedisCluster,
  type Redis,
  type RedisCluster,
  type RedisClusterOptions,
  type RedisOptions,
} from '@rookery/devstack/testing';
import { until } from '../../support/until.js';

/** Caches and drivers that share a Redis, or a cluster. */
export interface CachesStage extends DriverStage {
  cache(options?: CacheOptions): Promise<Cache>;
  /** Stops the caches that were made here. */
  stopCaches(): Promise<void>;
}

export interface RedisStage extends CachesStage {
  readonly redis: Redis;
}

export interface RedisClusterStage extends CachesStage {
  readonly cluster: RedisCluster;
}

/** How long caches and drivers of a stage wait; as sites have it, where nothing is said. */
export type Bounds = Pick<CacheOptions, 'deadlineMs' | 'acknowledgeWithinMs'>;

/** For what is not about how long anything takes: nobody is taken for silent because this machine does other things as well. */
export const PATIENT: Bounds = { deadlineMs: 1_000, acknowledgeWithinMs: 2_000 };

const SETTINGS = {
  namespace: 'test',
  version: '1',
  replicaId: 'replica',
  deadlineMs: 50,
  acknowledgeWithinMs: 500,
  meter: { counter: () => ({ add: noop }), histogram: () => ({ observe: noop }), gauge: () => noop },
  onWarning: noop,
};

/** A Redis, and caches and drivers that share it. */
export async function openRedisStage(options: RedisOptions = {}, bounds: Bounds = {}): Promise<RedisStage> {
  const redis = await startRedis(options);
  const redisUrl = options.cluster === true ? [redis.url] : redis.url;
  return { redis, ...(await stageOver(redisUrl, bounds, () => redis.close())) };
}

/** A cluster of several nodes, and caches and drivers that share it. */
export async function openRedisClusterStage(
  options: RedisClusterOptions = {},
  bounds: Bounds = {},
): Promise<RedisClusterStage> {
  const cluster = await startRedisCluster(options);
  return { cluster, ...(await stageOver(cluster.urls, bounds, () => cluster.close())) };
}

async function stageOver(
  redisUrl: string | readonly string[],
  bounds: Bounds,
  close: () => Promise<void>,
): Promise<CachesStage> {
  const caches: Cache[] = [];
  const settings = { ...SETTINGS, ...bounds };
  const stage: CachesStage = {
    driver: () =>
      typeof redisUrl === 'string'
        ? new RedisDriver([redisUrl], false, settings)
        : new RedisDriver(redisUrl, true, settings),
    cache: async (options = {}) => {
      const cache = createCache({ redisUrl, namespace: 'test', ...bounds, ...options });
      caches.push(cache);
      await cache.start();
      return cache;
    },
    stopCaches: async () => {
      for (const cache of caches.splice(0)) await cache.stop();
    },
    close: async () => {
      await stage.stopCaches();
      await close();
    },
  };
  await settle(stage, bounds);
  return stage;
}

/** A registry that is new may be incomplete: within the bound of an acknowledgement nobody relies on it. */
async function settle(
  stage: CachesStage,
  { acknowledgeWithinMs = SETTINGS.acknowledgeWithinMs }: Bounds,
): Promise<void> {
  const cache = await stage.cache();
  await delay(acknowledgeWithinMs);
  await until('an invalidation that waits for nobody', async () => {
    const began = performance.now();
    await cache.invalidate(['settling']);
    return performance.now() - began < 300;
  });
  await stage.stopCaches();
}

function noop(): void {}

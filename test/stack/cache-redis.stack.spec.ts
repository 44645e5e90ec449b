// needs: redis
import type { Cache } from '@rookery/cache';
import { ChaosDriver, describeCacheDriver, describeCaches } from '@rookery/cache/testing';
import { openRedisStage, PATIENT, type RedisStage } from './support/redis-stage.js';

const alone = () => openRedisStage({}, PATIENT);
const cluster = () => openRedisStage({ cluster: true }, PATIENT);
const late = async () => {
  const stage = await openRedisStage({}, PATIENT);
  return { ...stage, driver: () => new ChaosDriver(stage.driver(), { upToMs: 3 }) };
};

describeCacheDriver('redis', alone);
describeCacheDriver('redis cluster', cluster);
describeCaches('redis', alone);
describeCaches('redis cluster', cluster);
describeCaches('redis, late', late);

describe('reads from Redis', () => {
  /** So that no halt of this machine makes one of them go another way. */
  const bounds = { deadlineMs: 30_000, acknowledgeWithinMs: 60_000 };
  let stage: RedisStage;
  beforeAll(async () => (stage = await alone()));
  afterAll(() => stage?.close());

  it.each([
    { readers: 1, commands: 1 },
    { readers: 32, commands: 1 },
    { readers: 70, commands: 3 },
  ])('of one turn of the loop go by one command for each 32: $readers', async ({ readers, commands }) => {
    const keys = Array.from({ length: readers }, (_, number) => `${readers}:${number}`);
    const read = (cache: Cache, load: (key: string) => Promise<string>) =>
      Promise.all(
        keys.map((key) => cache.get(key, () => load(key), { tags: [`tag ${key}`], ttlMs: 60_000 })),
      );
    const first = await stage.cache(bounds);
    await read(first, (key) => Promise.resolve(`value of ${key}`));
    // Has stored them by then.
    await first.stop();
    const second = await stage.cache(bounds);
    await stage.redis.command('CONFIG', 'RESETSTAT');
    const values = await read(second, () => Promise.reject(new Error('loaded')));
    expect(values).toEqual(keys.map((key) => `value of ${key}`));
    expect(second.stats().sharedHits).toBe(readers);
    const statistics = await stage.redis.command('INFO', 'commandstats');
    expect(/^cmdstat_mget:calls=(\d+),/m.exec(statistics)?.[1]).toBe(String(commands));
  });
});

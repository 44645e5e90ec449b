import { createCache } from '@rookery/cache';

/** A replica that keeps an entry in memory and hears of invalidations, until it is disconnected. Argument: URL of Redis. */
async function main(redisUrl: string): Promise<void> {
  const cache = createCache({ redisUrl, replicaId: `bench-${process.pid}` });
  await cache.start();
  await cache.get('key', () => Promise.resolve(1), { tags: ['tag'], ttlMs: 3_600_000 });
  process.send!('ready');
  await new Promise<void>((resolve) => process.once('disconnect', resolve));
  await cache.stop();
}

const url = process.argv[2];
if (process.send && url !== undefined) await main(url);

import { createCache, type Cache, type CacheOptions } from '@rookery/cache';
import type { CommandCall } from '../cli.options.js';

/** What commands about a site's cache need of it: its options, as its replicas use them. */
export interface CacheSite {
  readonly cache: CacheOptions;
}

export type SharedOptions = CacheOptions & { readonly redisUrl: string | readonly string[] };

const NO_REDIS =
  'this site has no Redis (REDIS_URL): each replica keeps what it keeps in its own memory, which only it can tell of (/metrics on its operations port)';

/** The site's options, or nothing, which has been said, where there is no Redis to ask. */
export async function sharedOptions({
  open,
  json,
  output,
}: CommandCall<CacheSite>): Promise<SharedOptions | undefined> {
  const { cache } = await open();
  const { redisUrl } = cache;
  if (redisUrl !== undefined) return { ...cache, redisUrl };
  if (json) output.json({ redis: false });
  else output.print(NO_REDIS);
  return undefined;
}

/** Takes part in the cache for as long as `work` takes. */
export async function takingPart<T>(options: SharedOptions, work: (cache: Cache) => Promise<T>): Promise<T> {
  const cache = createCache({ ...options, replicaId: 'rookery-command' });
  await cache.start();
  try {
    return await work(cache);
  } finally {
    await cache.stop();
  }
}

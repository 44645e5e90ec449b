import { Shards } from '@rookery/sharding';
import type { ShardedSite } from './sharded-site.js';

/** Long enough for what reads or changes a whole table. */
const LIMIT_MS = 30 * 60_000;

/**
 * Gives a command the site's shards, started, and closes them.
 * @param name what its connections are called
 */
export async function withShards<T>(
  { sharding }: ShardedSite,
  name: string,
  work: (shards: Shards) => Promise<T>,
): Promise<T> {
  const shards = new Shards({
    ...sharding,
    poolMax: 4,
    applicationName: name,
    defaultDeadlineMs: LIMIT_MS,
  });
  try {
    await shards.start();
    return await work(shards);
  } finally {
    await shards.close();
  }
}

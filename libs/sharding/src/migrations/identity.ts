import { shardingErrors } from '../sharding.errors.js';
import type { WatchQuery } from '../map/shard-watcher.js';

export interface Identity {
  readonly shard: string;
  readonly cluster: string;
}

/** Which shard of which cluster a database says it is; nothing if it was never told. */
export async function readIdentity(query: WatchQuery): Promise<Identity | undefined> {
  const [exists] = await query<{ there: boolean }>(
    "SELECT to_regclass('rookery_identity') IS NOT NULL AS there",
  );
  if (!exists?.there) return undefined;
  const [row] = await query<Identity>('SELECT shard, cluster FROM rookery_identity');
  return row;
}

/**
 * A database remembers which shard of which cluster it is, so that URLs in another order are noticed before a row goes to
 * the wrong place.
 * @throws RK_SHARDING_IDENTITY
 */
export async function checkIdentity(query: WatchQuery, shard: string, position: number): Promise<void> {
  const row = await readIdentity(query);
  if (row?.shard !== shard) {
    throw shardingErrors.create('IDENTITY', {
      data: { position: position + 1, found: row?.shard ?? 'nothing', expected: shard },
    });
  }
}

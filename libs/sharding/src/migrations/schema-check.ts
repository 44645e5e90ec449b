import { shardingErrors } from '../sharding.errors.js';
import type { WatchQuery } from '../map/shard-watcher.js';
import { checksumOf, type Migration } from './migration.js';

export interface AppliedMigration {
  readonly id: string;
  readonly checksum: string;
  readonly appliedAt: Date;
  readonly tookMs: number;
}

/** What a shard has, oldest first; nothing if it was never migrated. */
export async function readApplied(query: WatchQuery): Promise<AppliedMigration[]> {
  const [exists] = await query<{ there: boolean }>(
    "SELECT to_regclass('rookery_migration') IS NOT NULL AS there",
  );
  if (!exists?.there) return [];
  return query<AppliedMigration>(
    `SELECT id, checksum, applied_at AS "appliedAt", took_ms AS "tookMs" FROM rookery_migration ORDER BY position`,
  );
}

/**
 * Holds what a shard has against what this version of the site knows.
 * @throws RK_SHARDING_SCHEMA_OLDER, _SCHEMA_NEWER, _MIGRATION_CHANGED
 */
export async function checkSchema(
  query: WatchQuery,
  shard: string,
  expected: readonly Migration[],
): Promise<void> {
  const applied = new Map((await readApplied(query)).map((row) => [row.id, row]));
  const missing: string[] = [];
  for (const migration of expected) {
    const row = applied.get(migration.id);
    if (!row) missing.push(migration.id);
    else if (row.checksum !== checksumOf(migration)) {
      throw shardingErrors.create('MIGRATION_CHANGED', { data: { id: migration.id, shard } });
    }
    applied.delete(migration.id);
  }
  if (applied.size > 0) {
    throw shardingErrors.create('SCHEMA_NEWER', { data: { shard, unknown: [...applied.keys()].join(', ') } });
  }
  if (missing.length > 0) {
    throw shardingErrors.create('SCHEMA_OLDER', { data: { shard, missing: missing.join(', ') } });
  }
}

import type { Shards } from '@rookery/sharding';

const DAYS_AHEAD = 3;
/** Nobody waits long for the lock that a drop needs: another hour is as good. */
const LOCK_MS = 500;

export interface Upkeep {
  readonly dropped: readonly string[];
  /** Partitions that are old enough to go, and the groups that have not read them. */
  readonly kept: readonly { readonly partition: string; readonly groups: readonly string[] }[];
}

/**
 * Makes the partitions of the coming days, and drops those that are older than `retentionDays` and that every group has
 * passed. One that a group has not passed is kept, whatever its age, with the inbox of its day, and reported.
 */
export async function keepPartitions(shards: Shards, shard: string, retentionDays: number): Promise<Upkeep> {
  await shards.queryShard(shard, { text: 'SELECT rookery_event_partitions($1)', values: [DAYS_AHEAD] });
  const old = await shards.queryShard<{ partition: string }>(shard, {
    text: `SELECT c.relname AS partition FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
           WHERE i.inhparent IN ('rookery_event'::regclass, 'rookery_inbox'::regclass)
             AND c.relname ~ '_[0-9]{8}$' AND right(c.relname, 8) < to_char(now() AT TIME ZONE 'UTC' - $1 * interval '1 day', 'YYYYMMDD')
           ORDER BY right(c.relname, 8), c.relname`,
    values: [retentionDays],
  });
  const dropped: string[] = [];
  const kept: { partition: string; groups: string[] }[] = [];
  const daysKept = new Set<string>();
  for (const { partition } of old) {
    const day = partition.slice(-8);
    const groups = partition.startsWith('rookery_event_') ? await behind(shards, shard, partition) : [];
    if (groups.length > 0) {
      daysKept.add(day);
      kept.push({ partition, groups });
    }
    // What may be read again must be known to have been applied: an inbox is kept as long as its events.
    if (daysKept.has(day)) continue;
    await shards.transactionAt(shard, async (tx) => {
      await tx.query({ text: `SET LOCAL lock_timeout = ${LOCK_MS}` });
      await tx.query({ text: `DROP TABLE IF EXISTS ${partition}` });
    });
    dropped.push(partition);
  }
  await shards.queryShard(shard, {
    text: `DELETE FROM rookery_event_tick WHERE made_at < now() - $1 * interval '1 day'`,
    values: [retentionDays + 1],
  });
  return { dropped, kept };
}

/** Groups with a lane whose cursor has not passed all of a partition. */
async function behind(shards: Shards, shard: string, partition: string): Promise<string[]> {
  const rows = await shards.queryShard<{ grp: string }>(shard, {
    text: `SELECT DISTINCT l.grp FROM rookery_lane l, (SELECT max(seq) AS seq, max(xid) AS xid FROM ${partition}) last
           WHERE last.seq IS NOT NULL AND CASE
             WHEN l.cursor->>'from' IS NULL THEN (l.cursor->>'done')::bigint < last.seq
             ELSE pg_snapshot_xmin((l.cursor->>'from')::pg_snapshot) <= last.xid END`,
  });
  return rows.map(({ grp }) => grp);
}

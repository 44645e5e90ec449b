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
 * Makes a shard's partitions of the coming days, and drops those of its log that are older than `retentionDays` and that every
 * group has passed. One that a group has not passed is kept, whatever its age, and reported.
 */
export async function keepLog(shards: Shards, shard: string, retentionDays: number): Promise<Upkeep> {
  await shards.queryShard(shard, { text: 'SELECT rookery_event_partitions($1)', values: [DAYS_AHEAD] });
  const dropped: string[] = [];
  const kept: { partition: string; groups: string[] }[] = [];
  for (const partition of await olderThan(shards, shard, 'rookery_event', retentionDays)) {
    const groups = await behind(shards, shard, partition);
    if (groups.length > 0) kept.push({ partition, groups });
    else {
      await drop(shards, shard, partition);
      dropped.push(partition);
    }
  }
  await shards.queryShard(shard, {
    text: `DELETE FROM rookery_event_tick WHERE made_at < now() - $1 * interval '1 day'`,
    values: [retentionDays + 1],
  });
  return { dropped, kept };
}

/**
 * Drops a shard's inboxes that are older than `retentionDays`, but for those of the days of `kept`: partitions that the logs of
 * all shards still have. What may be read again must be known to have been applied, and an event's effect, with its line in an
 * inbox, need not be on the shard of its log. Gives those dropped.
 */
export async function dropInboxes(
  shards: Shards,
  shard: string,
  retentionDays: number,
  kept: readonly string[],
): Promise<string[]> {
  const days = new Set(kept.map(dayOf));
  const old = await olderThan(shards, shard, 'rookery_inbox', retentionDays);
  const dropped = old.filter((partition) => !days.has(dayOf(partition)));
  for (const partition of dropped) await drop(shards, shard, partition);
  return dropped;
}

const dayOf = (partition: string): string => partition.slice(-8);

/** Partitions of days before that many days ago, the oldest first. */
async function olderThan(shards: Shards, shard: string, table: string, days: number): Promise<string[]> {
  const rows = await shards.queryShard<{ partition: string }>(shard, {
    text: `SELECT c.relname AS partition FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
           WHERE i.inhparent = $2::regclass
             AND c.relname ~ '_[0-9]{8}$' AND right(c.relname, 8) < to_char(now() AT TIME ZONE 'UTC' - $1 * interval '1 day', 'YYYYMMDD')
           ORDER BY right(c.relname, 8)`,
    values: [days, table],
  });
  return rows.map(({ partition }) => partition);
}

async function drop(shards: Shards, shard: string, partition: string): Promise<void> {
  await shards.transactionAt(shard, async (tx) => {
    await tx.query({ text: `SET LOCAL lock_timeout = ${LOCK_MS}` });
    await tx.query({ text: `DROP TABLE IF EXISTS ${partition}` });
  });
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

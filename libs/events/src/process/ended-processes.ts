import { prepared, type Shards } from '@rookery/sharding';
import type { EventsSettings } from '../events.options.js';

const DAY_MS = 24 * 3_600_000;

/**
 * Days for which ended processes are remembered: never shorter than a topic keeps what may come again from there, whole
 * segments of a day with it, and for ever where a topic is kept for ever.
 */
export function rememberedDays(
  settings: Pick<EventsSettings, 'events' | 'kafka' | 'processRetentionDays' | 'retentionDays'>,
): number {
  const days = Math.max(settings.processRetentionDays, settings.retentionDays);
  if (!settings.kafka) return days;
  const topics = settings.events.map(({ topic: { retentionMs } }) =>
    retentionMs < 0 ? Infinity : retentionMs / DAY_MS + 1,
  );
  return Math.max(days, ...topics);
}

/** Rows of one commit: each locks the slot it is in. */
const BATCH = 200;
/** Commits of one turn on each shard: a backlog is worked off over several turns. */
const BATCHES = 50;

/**
 * $1: days. What ended before the time it gives is forgotten by nobody who may still ask: partitions of the log go by whole
 * days, and what is parked is tried again. The hour is for clocks that differ.
 */
const forgettable = prepared(
  'rookery.process.forgettable',
  `SELECT least(now() - $1::float8 * interval '1 day',
     (SELECT min(to_date(right(c.relname, 8), 'YYYYMMDD'))::timestamp AT TIME ZONE 'UTC'
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'rookery_event'::regclass AND c.relname ~ '_[0-9]{8}$'),
     (SELECT min(created_at) FROM rookery_event_default),
     (SELECT min(published_at) FROM rookery_parked WHERE state <> 'skipped')) - interval '1 hour' AS before`,
);

/** Rows of slots that are not here any more are left alone: they belong to whoever moves the slot. */
const drop = prepared(
  'rookery.process.drop',
  `WITH gone AS (
     DELETE FROM rookery_process WHERE (name, id) IN (
       SELECT p.name, p.id FROM rookery_process p JOIN rookery_slot s ON s.slot = p.shard_slot AND s.state = 'open'
       WHERE p.status IN ('completed', 'failed') AND greatest(p.changed_at, p.asked_at) < $1::timestamptz
       ORDER BY greatest(p.changed_at, p.asked_at) LIMIT $2 FOR UPDATE OF p SKIP LOCKED)
     RETURNING name)
   SELECT name AS process, count(*)::int AS rows FROM gone GROUP BY name`,
);

export interface DropOptions {
  /** Days for which an ended process is remembered at least. */
  readonly days: number;
  readonly signal?: AbortSignal;
  /** Told after each commit. */
  readonly onDropped?: (process: string, rows: number) => void;
}

/**
 * Drops processes that have ended, in batches, where no event can come again that had them begin: what ended is remembered
 * for `days`, for as long as any shard's log holds an event that is as old, and for as long as one is parked that was
 * published before.
 * @returns whether there is more to drop
 * @throws where a shard does not answer: then nothing was dropped anywhere, as its log may hold any event
 */
export async function dropEndedProcesses(
  shards: Shards,
  { days, signal, onDropped = () => undefined }: DropOptions,
): Promise<boolean> {
  if (!Number.isFinite(days)) return false;
  let before: Date | undefined;
  for (const shard of shards.shardNames) {
    const [row] = await shards.queryShard<{ before: Date }>(shard, forgettable(days));
    if (!before || row!.before < before) before = row!.before;
  }
  let more = false;
  for (const shard of shards.shardNames) {
    for (let batches = 1; !signal?.aborted; batches++) {
      const gone = await shards.transactionAt(shard, (tx) =>
        tx.query<{ process: string; rows: number }>(drop(before, BATCH)),
      );
      for (const { process, rows } of gone) onDropped(process, rows);
      if (gone.reduce((sum, { rows }) => sum + rows, 0) < BATCH) break;
      if (batches < BATCHES) continue;
      more = true;
      break;
    }
  }
  return more;
}

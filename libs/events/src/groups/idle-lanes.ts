import { prepared, type Shards } from '@rookery/sharding';

/** $1 groups · $2 days */
const pass = prepared(
  'rookery.groups.pass-idle',
  `UPDATE rookery_lane l SET epoch = l.epoch + 1, moved_at = clock_timestamp(),
     cursor = jsonb_build_object('from', NULL, 'upto', NULL, 'done', t.seq_below::text)
   FROM (SELECT seq_below, xid FROM rookery_event_tick WHERE made_at < now() - $2 * interval '1 day'
         ORDER BY seq_below DESC LIMIT 1) t
   WHERE l.grp = ANY($1::text[]) AND l.until < clock_timestamp()
     AND NOT EXISTS (SELECT FROM rookery_member m WHERE m.grp = l.grp AND m.until > clock_timestamp())
     AND CASE WHEN l.cursor->>'from' IS NULL THEN (l.cursor->>'done')::bigint < t.seq_below
       ELSE pg_snapshot_xmin((l.cursor->>'from')::pg_snapshot) < t.xid END
   RETURNING l.lane`,
);

/**
 * Takes the lanes of groups that get their events by the other transport past what is older than `days`. They stay where
 * they are left, so that a switch back loses nothing; but not for ever, as they would keep the log from being dropped.
 * A group that somebody reads the log for is left alone.
 */
export async function passIdleLanes(
  shards: Shards,
  shard: string,
  groups: readonly string[],
  days: number,
): Promise<void> {
  if (groups.length > 0) await shards.queryShard(shard, pass([...groups], days));
}

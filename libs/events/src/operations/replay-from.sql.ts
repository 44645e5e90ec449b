import { prepared } from '@rookery/sharding';

/** What there is to replay: $1 group · $2 from when */
export const extent = prepared(
  'rookery.operations.replay-extent',
  `SELECT EXISTS (SELECT FROM rookery_lane WHERE grp = $1) AS known,
     (SELECT count(*) FROM rookery_event e WHERE created_at >= $2::timestamptz AND (
        NOT EXISTS (SELECT FROM rookery_member WHERE grp = $1)
        OR EXISTS (SELECT FROM rookery_member m WHERE m.grp = $1 AND e.type = ANY(m.types))))::int AS events,
     (SELECT created_at FROM rookery_event ORDER BY seq LIMIT 1) AS "logSince"`,
);

/** Nobody reads these lanes while they are held. $1 group · $2 who holds them · $3 for how many milliseconds */
export const hold = prepared(
  'rookery.operations.replay-hold',
  `UPDATE rookery_lane SET owner = $2, epoch = epoch + 1, until = clock_timestamp() + $3 * interval '1 millisecond' WHERE grp = $1`,
);

export const holdOn = prepared(
  'rookery.operations.replay-hold-on',
  `UPDATE rookery_lane SET until = clock_timestamp() + $3 * interval '1 millisecond' WHERE grp = $1 AND owner = $2`,
);

/** Gives them back to be taken at once, as far as they were. */
export const letGo = prepared(
  'rookery.operations.replay-let-go',
  `UPDATE rookery_lane SET owner = NULL, epoch = epoch + 1, until = clock_timestamp() WHERE grp = $1 AND owner = $2`,
);

export const aliveMembers = prepared(
  'rookery.operations.replay-members',
  `SELECT replica, until::text AS until FROM rookery_member WHERE grp = $1 AND until > clock_timestamp()`,
);

export const forgetApplied = prepared(
  'rookery.operations.replay-inbox',
  'DELETE FROM rookery_inbox WHERE grp = $1 AND event_id >= rookery_id_floor($2::timestamptz)',
);

/** The log brings them again, each in its place; one whose day has been dropped stays parked. */
export const forgetParked = prepared(
  'rookery.operations.replay-parked',
  `DELETE FROM rookery_parked p USING rookery_event e
   WHERE p.grp = $1 AND p.id >= rookery_id_floor($2::timestamptz) AND p.position ~ '^[0-9]{1,18}$'
     AND e.seq = p.position::bigint AND e.id = p.id`,
);

export const heldLanes = prepared(
  'rookery.operations.replay-held-lanes',
  `SELECT cursor, count(*)::int AS lanes FROM rookery_lane WHERE grp = $1 AND owner = $2 GROUP BY cursor`,
);

/** The first number of that time; and one up to which every event is committed or rolled back. */
export const startOf = prepared(
  'rookery.operations.replay-start',
  `SELECT (SELECT min(seq) FROM rookery_event WHERE created_at >= $1::timestamptz)::text AS first,
     coalesce((SELECT seq_below FROM rookery_event_tick WHERE xid <= pg_snapshot_xmin(pg_current_snapshot())
       ORDER BY seq_below DESC LIMIT 1), 0)::text AS settled`,
);

/** $1 xmax of a snapshot · $2 ids in progress in it. By the index on xid, whatever the planner hopes to meet by number. */
export const firstUnseen = prepared(
  'rookery.operations.replay-first-unseen',
  `SELECT min(seq)::text AS first FROM (SELECT seq FROM rookery_event WHERE xid >= $1::xid8 OR xid = ANY($2::xid8[]) OFFSET 0) unseen`,
);

/** $3 cursor */
export const sendBack = prepared(
  'rookery.operations.replay-send-back',
  `UPDATE rookery_lane SET cursor = $3::jsonb, owner = NULL, epoch = epoch + 1, until = clock_timestamp(), moved_at = clock_timestamp()
   WHERE grp = $1 AND owner = $2`,
);

import { prepared } from '@rookery/sharding';

/** Lanes of every group here that are equally far. */
export const lanes = prepared(
  'rookery.operations.lanes',
  `SELECT grp AS "group", cursor, array_agg(lane::int ORDER BY lane) AS lanes,
     count(*) FILTER (WHERE owner IS NOT NULL AND until > clock_timestamp())::int AS owned
   FROM rookery_lane GROUP BY grp, cursor ORDER BY grp`,
);

export const members = prepared(
  'rookery.operations.members',
  `SELECT grp AS "group", replica, types, until > clock_timestamp() AS alive FROM rookery_member ORDER BY grp, replica`,
);

export const parkedCounts = prepared(
  'rookery.operations.parked-counts',
  `SELECT grp AS "group", count(DISTINCT (topic, key)) FILTER (WHERE state <> 'skipped')::int AS keys,
     count(*) FILTER (WHERE state <> 'skipped')::int AS events, count(*) FILTER (WHERE state = 'held')::int AS held,
     count(*) FILTER (WHERE state = 'skipped')::int AS skipped
   FROM rookery_parked GROUP BY grp ORDER BY grp`,
);

const MINE = `(shard_slot & 15) = ANY($1::int[]) AND ($2::text[] IS NULL OR type = ANY($2::text[])) AS mine, created_at`;
const COUNTED = `count(*) FILTER (WHERE mine)::int AS events, count(*)::int AS looked,
  (extract(epoch FROM clock_timestamp() - min(created_at) FILTER (WHERE mine)) * 1000)::float8 AS "oldestMs"`;

/** What is left of a window: $1 lanes · $2 types, null: all · $3 rows to look at · $4 its start · $5 its end · $6 done */
export const unreadInWindow = prepared(
  'rookery.operations.unread-in-window',
  `SELECT ${COUNTED} FROM (
     SELECT ${MINE} FROM rookery_event
     WHERE seq > $6::bigint AND ($5::pg_snapshot IS NULL OR pg_visible_in_snapshot(xid, $5::pg_snapshot))
       AND ($4::pg_snapshot IS NULL OR NOT pg_visible_in_snapshot(xid, $4::pg_snapshot))
     ORDER BY seq LIMIT $3) looked`,
);

/** What a snapshot did not see: $1 to $3 as above · $4 its xmax · $5 ids in progress */
export const unreadSince = prepared(
  'rookery.operations.unread-since',
  `SELECT ${COUNTED} FROM (
     (SELECT ${MINE} FROM rookery_event WHERE xid = ANY($5::xid8[]))
     UNION ALL
     (SELECT ${MINE} FROM rookery_event WHERE xid >= $4::xid8 ORDER BY xid LIMIT $3)) looked`,
);

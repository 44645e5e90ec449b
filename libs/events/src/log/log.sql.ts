import { prepared } from '@rookery/sharding';
import { KEY_LOCK_SPACE } from './log.schema.js';

/**
 * The lock of an event's key is had before its number is drawn, and kept until after the commit: so events of one key are
 * numbered in the order in which they become visible. The transaction's id is drawn before the number, too, which is what
 * lets a reader conclude from a number to ids. Neither the sub-select nor its lock is optimized away: both are volatile.
 */
export const append = prepared(
  'rookery.events.append',
  `INSERT INTO rookery_event (seq, xid, shard_slot, topic, key, id, type, version, headers, payload)
   SELECT nextval('rookery_event_seq'), xid, $1::smallint, $2, $3, $4::uuid, $5, $6::smallint, $7, $8
   FROM (SELECT pg_advisory_xact_lock(${KEY_LOCK_SPACE}, hashtext($2 || ' ' || $3)), pg_current_xact_id() AS xid OFFSET 0) held`,
);

/** Several at once: locks in one order everywhere, so that two writers never wait for each other in a circle. */
export const appendMany = prepared(
  'rookery.events.append-many',
  `INSERT INTO rookery_event (seq, xid, shard_slot, topic, key, id, type, version, headers, payload)
   SELECT nextval('rookery_event_seq'), xid, slot, topic, key, id, type, version, headers, payload
   FROM (SELECT pg_advisory_xact_lock(${KEY_LOCK_SPACE}, hash), pg_current_xact_id() AS xid, sorted.*
         FROM (SELECT hashtext(topic || ' ' || key) AS hash, given.*
               FROM unnest($1::smallint[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::smallint[], $7::text[], $8::text[])
                 WITH ORDINALITY AS given (slot, topic, key, id, type, version, headers, payload, place)
               ORDER BY 1, place OFFSET 0) sorted OFFSET 0) held`,
);

export const appendLater = prepared(
  'rookery.events.append-later',
  `INSERT INTO rookery_event_timer (due_at, shard_slot, topic, key, id, type, version, headers, payload)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
);

/** Columns of an event as `rowOf` reads them. */
const EVENT = `seq, id, type, version, topic, key, shard_slot, payload, headers, (extract(epoch FROM created_at) * 1000)::float8 AS at`;
/** The first row of what a read brings: the server's incarnation as its id, the statement's snapshot as its payload. */
const HEADER = `SELECT -1::bigint AS seq, (SELECT token FROM rookery_event_incarnation) AS id, NULL AS type, NULL::smallint AS version, NULL AS topic,
     NULL AS key, NULL::smallint AS shard_slot, pg_current_snapshot()::text AS payload, NULL AS headers, NULL::float8 AS at`;

export type EventRow = [
  seq: string,
  id: string | null,
  type: string,
  version: number,
  topic: string,
  key: string,
  slot: number,
  payload: string,
  headers: string | null,
  at: number,
];

/**
 * What has become visible since a snapshot, by seq, behind a header that carries the snapshot of this very statement. $1: xmax of the snapshot · $2: ids that were in progress in it · $3 lanes · $4 types · $5 most.
 * Both parts go by the index on xid: what was visible already is not looked at again.
 */
export const since = prepared(
  'rookery.events.since',
  `${HEADER}
   UNION ALL
   (SELECT * FROM (
      SELECT ${EVENT} FROM rookery_event WHERE xid >= $1::xid8 AND (shard_slot & 15) = ANY($3::int[]) AND type = ANY($4::text[])
      UNION ALL
      SELECT ${EVENT} FROM rookery_event WHERE xid = ANY($2::xid8[]) AND (shard_slot & 15) = ANY($3::int[]) AND type = ANY($4::text[])
    ) news ORDER BY seq LIMIT $5)`,
  'array',
);

/**
 * One step of a walk through a window that is too large to be sorted: visible in $2, not in $1 (null: in nothing), after
 * seq $3; behind a header. Goes by the index on seq, which the planner has to be talked into: it takes a test of lanes for one that hardly
 * any row passes, and would sort all that is left of the window with every step. Of "not null" it expects nearly all.
 */
export const walk = prepared(
  'rookery.events.walk',
  `${HEADER}
   UNION ALL
   (SELECT ${EVENT} FROM rookery_event
   WHERE seq > $3::bigint AND pg_visible_in_snapshot(xid, $2::pg_snapshot)
     AND ($1::pg_snapshot IS NULL OR NOT pg_visible_in_snapshot(xid, $1::pg_snapshot))
     AND nullif((shard_slot & 15) = ANY($4::int[]) AND type = ANY($5::text[]), false) IS NOT NULL
   ORDER BY seq LIMIT $6)`,
  'array',
);

/** The present snapshot, and the number below which everything was seen by the snapshot $1 (0 where nothing is known). */
export const walkStart = prepared(
  'rookery.events.walk-start',
  `SELECT pg_current_snapshot()::text AS now, (SELECT token FROM rookery_event_incarnation) AS incarnation,
     coalesce((SELECT seq_below FROM rookery_event_tick WHERE xid <= pg_snapshot_xmin($1::pg_snapshot) ORDER BY seq_below DESC LIMIT 1), 0)::text AS floor`,
);

/** What a look at a shard tells without reading any event: last number drawn, what is due, whether the server has crashed. */
export const pulse = prepared(
  'rookery.events.pulse',
  `SELECT (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM rookery_event_seq)::text AS last,
     due.timer <= now() AS "timerDue", due.parked <= now() AS "parkedDue",
     (extract(epoch FROM least(due.timer, due.parked) - now()) * 1000)::float8 AS "dueInMs",
     (SELECT token FROM rookery_event_incarnation) AS incarnation
   FROM (SELECT (SELECT min(due_at) FROM rookery_event_timer) AS timer,
           (SELECT min(retry_at) FROM rookery_parked WHERE state = 'waiting') AS parked) due`,
);

/**
 * The number is read by a statement of its own, before the id is drawn: whatever was numbered had drawn its id earlier.
 * After a crash in between numbers may be drawn again. $1 number · $2 incarnation it was read in
 */
export const tick = prepared(
  'rookery.events.tick',
  `INSERT INTO rookery_event_tick (seq_below, xid)
   SELECT $1, pg_current_xact_id() FROM rookery_event_incarnation WHERE token = $2 ON CONFLICT DO NOTHING`,
);

export const forgetTicks = prepared(
  'rookery.events.forget-ticks',
  `DELETE FROM rookery_event_tick WHERE made_at < now() - $1 * interval '1 hour'`,
);

/** What not to do: numbers are drawn before they are visible. For the proof that it loses events; nothing else sends it. */
export const bySequence = prepared(
  'rookery.events.by-sequence',
  `SELECT ${EVENT} FROM rookery_event
   WHERE seq > $1::bigint AND (shard_slot & 15) = ANY($2::int[]) AND type = ANY($3::text[]) ORDER BY seq LIMIT $4`,
  'array',
);

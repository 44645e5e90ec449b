import { prepared } from '@rookery/sharding';

/** Sent before the handler's own statements: a second time fails on the key, and takes the whole transaction with it. */
export const enter = prepared(
  'rookery.inbox.enter',
  'INSERT INTO rookery_inbox (event_id, grp, shard_slot) VALUES ($1, $2, $3)',
);

/** For a batch: gives the events that are new. $1 ids · $2 group · $3 slots */
export const enterMany = prepared(
  'rookery.inbox.enter-many',
  `INSERT INTO rookery_inbox (event_id, grp, shard_slot)
   SELECT id, $2, slot FROM unnest($1::uuid[], $3::smallint[]) AS given (id, slot)
   ON CONFLICT DO NOTHING RETURNING event_id AS id`,
);

export const setAwaits = prepared(
  'rookery.inbox.set-awaits',
  'UPDATE rookery_inbox SET awaits = $3 WHERE event_id = $1 AND grp = $2',
);

/** Which of the events have been applied, and what others came of them. $1 ids · $2 groups, one for each */
export const applied = prepared(
  'rookery.inbox.applied',
  `SELECT i.event_id AS id, i.grp AS "group", i.awaits FROM unnest($1::uuid[], $2::text[]) AS given (id, grp)
   JOIN rookery_inbox i ON i.event_id = given.id AND i.grp = given.grp`,
);

/** $1 incarnation of the server in which the event was read; RK101 once it is another. */
export const asyncCommit = prepared('rookery.inbox.async-commit', 'SELECT rookery_event_async_commit($1)');

const PARKED = `id, type, version, topic, key, shard_slot AS slot, payload, headers, (extract(epoch FROM published_at) * 1000)::float8 AS "publishedAt",
  position, state, attempts, place::text, code`;

export interface ParkedRow {
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly topic: string;
  readonly key: string;
  readonly slot: number;
  readonly payload: Buffer;
  readonly headers: string | null;
  readonly publishedAt: number;
  readonly position: string;
  readonly state: 'waiting' | 'held' | 'skipped';
  readonly attempts: number;
  readonly code: string | null;
  readonly place: string;
}

/** $1 group … $12 code $13 error. The first of its key was tried; those behind it were not. */
export const park = prepared(
  'rookery.parked.park',
  `INSERT INTO rookery_parked (grp, topic, key, id, type, version, shard_slot, headers, payload, published_at, position,
     state, code, error, attempts, failed_at, retry_at)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, to_timestamp($10::float8 / 1000), $11, $12, $13, $14,
     CASE WHEN $13::text IS NULL THEN 0 ELSE 1 END, CASE WHEN $13::text IS NULL THEN NULL ELSE now() END,
     now() + $15 * interval '1 millisecond')
   ON CONFLICT (id, grp) DO NOTHING`,
);

export const parkedKeys = prepared(
  'rookery.parked.keys',
  `SELECT DISTINCT topic, key FROM rookery_parked
   WHERE grp = $1 AND state <> 'skipped' AND (shard_slot & 15) = ANY($2::int[])`,
);

/** The first of each key, where its time has come. */
export const dueHeads = prepared(
  'rookery.parked.due-heads',
  `SELECT ${PARKED} FROM (
     SELECT DISTINCT ON (topic, key) * FROM rookery_parked
     WHERE grp = $1 AND state <> 'skipped' AND (shard_slot & 15) = ANY($2::int[])
     ORDER BY topic, key, place) heads
   WHERE state = 'waiting' AND retry_at <= now() ORDER BY retry_at LIMIT $3`,
);

/** The first event of a key that is parked. By the column: the output of that name is text, in which 10 comes before 9. */
export const head = prepared(
  'rookery.parked.head',
  `SELECT ${PARKED}, retry_at <= now() AS due FROM rookery_parked
   WHERE grp = $1 AND topic = $2 AND key = $3 AND state <> 'skipped' ORDER BY rookery_parked.place LIMIT 1`,
);

export const unpark = prepared(
  'rookery.parked.unpark',
  'DELETE FROM rookery_parked WHERE grp = $1 AND id = $2',
);

/** $3 state · $4 milliseconds to the next try · $5 code · $6 error. What somebody skipped meanwhile stays skipped. */
export const failedAgain = prepared(
  'rookery.parked.failed-again',
  `UPDATE rookery_parked SET attempts = attempts + 1, failed_at = now(), state = $3,
     retry_at = now() + $4 * interval '1 millisecond', code = $5, error = $6 WHERE grp = $1 AND id = $2 AND state <> 'skipped'`,
);

/**
 * Counts a try before it begins, of an event that may have ended a process; gives nothing for one that is applied, as far as
 * the inbox beside the log tells.
 */
export const suspect = prepared(
  'rookery.suspect.try',
  `INSERT INTO rookery_suspect AS s (event_id, grp, tries)
   SELECT $1, $2, 1 WHERE NOT EXISTS (SELECT FROM rookery_inbox i WHERE i.event_id = $1 AND i.grp = $2)
   ON CONFLICT (event_id, grp) DO UPDATE SET tries = s.tries + 1 RETURNING tries`,
);

/** Whoever got through it is above suspicion. */
export const cleared = prepared(
  'rookery.suspect.cleared',
  'DELETE FROM rookery_suspect WHERE event_id = $1 AND grp = $2',
);

/** Before a try that may end the process: if it does, nobody tries again until somebody says so. */
export const holdForTry = prepared(
  'rookery.parked.hold-for-try',
  `UPDATE rookery_parked SET state = 'held' WHERE grp = $1 AND id = $2 AND state = 'waiting'`,
);

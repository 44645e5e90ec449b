import { prepared } from '@rookery/sharding';
import type { Cursor } from './cursor.js';

/** A lane as its owner gets it. */
export interface LaneRow {
  readonly grp: string;
  readonly lane: number;
  readonly epoch: string;
  /** Of the server, when the cursor was read. */
  readonly incarnation: string;
  readonly cursor: Cursor;
  readonly is_new: boolean;
  /** Whoever had it before ended without giving it up. */
  readonly crashed: boolean;
  readonly give_up: boolean;
  /** What the replicas that are there handle, taken together. */
  readonly types: string[];
}

export const adopt = prepared('rookery.groups.adopt', 'SELECT rookery_event_adopt() AS adopted');

/**
 * A group that is new begins where `from` says, or at this statement's snapshot where it says nothing. The sub-selects come
 * first: what is read of the lanes belongs to this incarnation.
 */
export const share = prepared(
  'rookery.groups.share',
  `SELECT s.*, here.incarnation FROM (SELECT rookery_event_incarnation() AS incarnation OFFSET 0) here,
     LATERAL rookery_groups_share($1, (SELECT jsonb_agg(CASE WHEN g->'from' = 'null'
       THEN g || jsonb_build_object('from', jsonb_build_object('from', pg_current_snapshot()::text, 'upto', NULL, 'done', '0'))
       ELSE g END) FROM jsonb_array_elements($2::jsonb) g), $3) s`,
);

/**
 * $1 group · $2 lanes · $3 their epochs · $4 cursor · $5 incarnation. Changes only what is still under these epochs, and
 * nothing once the server has crashed: what was dealt with may be undone.
 */
export const saveCursor = prepared(
  'rookery.groups.save-cursor',
  `UPDATE rookery_lane l SET cursor = $4::jsonb, moved_at = clock_timestamp()
   FROM unnest($2::int[], $3::bigint[]) AS held (lane, epoch)
   WHERE l.grp = $1 AND l.lane = held.lane AND l.epoch = held.epoch
     AND $5::uuid = (SELECT token FROM rookery_event_incarnation) RETURNING l.lane`,
);

/** The same by whoever believes that the lanes are his: for the proof that the epoch is needed. */
export const saveCursorUnfenced = prepared(
  'rookery.groups.save-cursor-unfenced',
  `UPDATE rookery_lane l SET cursor = $4::jsonb, moved_at = clock_timestamp()
   FROM unnest($2::int[], $3::bigint[]) AS held (lane, epoch) WHERE l.grp = $1 AND l.lane = held.lane RETURNING l.lane`,
);

export const giveUpLanes = prepared(
  'rookery.groups.give-up',
  `UPDATE rookery_lane l SET owner = NULL, until = clock_timestamp()
   FROM unnest($2::int[], $3::bigint[]) AS held (lane, epoch)
   WHERE l.grp = $1 AND l.lane = held.lane AND l.epoch = held.epoch`,
);

export const leave = prepared(
  'rookery.groups.leave',
  'DELETE FROM rookery_member WHERE replica = $1 AND grp = ANY($2::text[])',
);

export const notify = prepared('rookery.groups.notify', "SELECT pg_notify('rookery_event', $1)");

import { prepared } from '../pool/statement.js';

/**
 * An owner may take over what it holds itself: a value it gave up a moment ago and wants back, or keeps. What it was held
 * under before is remembered, since that is what stands if the operation comes to nothing.
 */
export const reserve = prepared(
  'rookery.directory.reserve',
  `INSERT INTO rookery_directory AS held (kind, value, owner, operation, state, lease_until)
   VALUES ($1, $2, $3, $4, 'reserved', now() + $5 * interval '1 millisecond')
   ON CONFLICT (kind, value) DO UPDATE
     SET previous = held.operation, operation = excluded.operation, state = 'reserved', lease_until = excluded.lease_until
     WHERE held.owner = excluded.owner AND held.state = 'active'
   RETURNING kind`,
);

export const holder = prepared(
  'rookery.directory.holder',
  `SELECT kind, value, owner, operation, state = 'reserved' AND lease_until < now() AS expired
   FROM rookery_directory WHERE kind = $1 AND value = $2`,
);

export const lookUp = prepared(
  'rookery.directory.look-up',
  'SELECT owner FROM rookery_directory WHERE kind = $1 AND value = $2',
);

/**
 * Sent before a change of an entry, in its transaction. A statement under READ COMMITTED picks its rows by the snapshot it
 * began with: one that waited for a row could otherwise find that it is neither the version it looked for nor the one it
 * has become, and change nothing. The statement after this one sees the row as it is.
 */
export const hold = prepared(
  'rookery.directory.hold',
  'SELECT FROM rookery_directory WHERE kind = $1 AND value = $2 FOR UPDATE',
);

export const confirm = prepared(
  'rookery.directory.confirm',
  `UPDATE rookery_directory SET state = 'active', previous = NULL
   WHERE kind = $1 AND value = $2 AND operation = $3 AND state = 'reserved'`,
);

/** A reservation that came to nothing: what was before it is again. */
export const giveUp = prepared(
  'rookery.directory.give-up',
  `WITH restored AS (
     UPDATE rookery_directory SET operation = previous, previous = NULL, state = 'active'
     WHERE kind = $1 AND value = $2 AND operation = $3 AND state = 'reserved' AND previous IS NOT NULL)
   DELETE FROM rookery_directory
   WHERE kind = $1 AND value = $2 AND operation = $3 AND state = 'reserved' AND previous IS NULL`,
);

/** A value that its owner's row does not carry any more. Had it been taken over meanwhile, nothing is left to restore. */
export const release = prepared(
  'rookery.directory.release',
  `WITH forgotten AS (
     UPDATE rookery_directory SET previous = NULL WHERE kind = $1 AND value = $2 AND previous = $3)
   DELETE FROM rookery_directory WHERE kind = $1 AND value = $2 AND operation = $3`,
);

/** Reservations whose lease ran out, after the last one seen; the first time after nothing. */
export const expired = prepared(
  'rookery.directory.expired',
  `SELECT kind, value, owner, operation FROM rookery_directory
   WHERE state = 'reserved' AND lease_until < now() AND (kind, value) > ($1, $2)
   ORDER BY kind, value LIMIT $3`,
);

/**
 * The claim of an operation, with what the owner holds before and after it. $3, $4: kinds and values claimed; $5, $6:
 * released. Gives what is left to do elsewhere once it has committed.
 */
export const claim = prepared(
  'rookery.claim.commit',
  `WITH released AS (
     DELETE FROM rookery_holding held USING unnest($5::text[], $6::text[]) AS gone (kind, value)
     WHERE held.owner = $2::uuid AND held.kind = gone.kind AND held.value = gone.value
     RETURNING held.kind, held.value, held.operation),
   holding AS (
     INSERT INTO rookery_holding (owner, kind, value, operation)
     SELECT $2::uuid, kind, value, $1::uuid FROM unnest($3::text[], $4::text[]) AS made (kind, value)
     ON CONFLICT (owner, kind, value) DO UPDATE SET operation = excluded.operation)
   INSERT INTO rookery_claim (operation, owner, outcome, pending)
   SELECT $1::uuid, $2::uuid, 'committed', jsonb_build_object(
     'confirm', (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'value', value)), '[]')
                 FROM unnest($3::text[], $4::text[]) AS made (kind, value)),
     'release', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'kind', kind, 'value', value, 'operation', coalesce(released.operation, $2::uuid))), '[]')
                 FROM unnest($5::text[], $6::text[]) AS gone (kind, value) LEFT JOIN released USING (kind, value)))
   RETURNING pending`,
);

export const abort = prepared(
  'rookery.claim.abort',
  `INSERT INTO rookery_claim (operation, owner, outcome) VALUES ($1, $2, 'aborted') ON CONFLICT DO NOTHING`,
);

export const outcome = prepared(
  'rookery.claim.outcome',
  'SELECT outcome FROM rookery_claim WHERE operation = $1',
);

export const settled = prepared(
  'rookery.claim.settled',
  'UPDATE rookery_claim SET pending = NULL WHERE operation = $1 AND pending IS NOT NULL',
);

/** Operations that committed and were not finished in time, after the last one seen. */
export const unsettled = prepared(
  'rookery.claim.unsettled',
  `SELECT operation, owner, pending FROM rookery_claim
   WHERE pending IS NOT NULL AND made_at < now() - $3 * interval '1 millisecond' AND operation > $1
   ORDER BY operation LIMIT $2`,
);

/** Slots under way are left out: their rows are not this shard's to change. */
export const forgetClaims = prepared(
  'rookery.claim.forget',
  `DELETE FROM rookery_claim WHERE operation IN (
     SELECT operation FROM rookery_claim
     WHERE pending IS NULL AND made_at < now() - $1 * interval '1 hour'
       AND shard_slot IN (SELECT slot FROM rookery_slot WHERE state = 'open')
     ORDER BY made_at LIMIT $2)`,
);

import { prepared, type ShardTransaction } from '@rookery/sharding';
import type { AnyEventDefinition } from '../definition/define-event.js';

/**
 * For whoever makes a read model anew that adds and subtracts: a query of what is in a shard's log and was not skipped in
 * `group`, with the columns `id`, `type` and `data` (json). It is to stand in a statement of one's own, in parentheses: only there
 * it is in one snapshot with the rows that the events tell of, so that of each change both are seen, or neither.
 */
export function loggedEvents(group: string, definitions: readonly AnyEventDefinition[]): string {
  return `SELECT e.id, e.type, e.payload::json AS data FROM rookery_event e
    WHERE e.type IN (${definitions.map(({ type }) => literal(type)).join()})
      AND NOT EXISTS (
        SELECT FROM rookery_parked p WHERE p.id = e.id AND p.grp = ${literal(group)} AND p.state = 'skipped')`;
}

const applied = prepared(
  'rookery.operations.applied',
  'SELECT event_id AS id FROM rookery_inbox WHERE event_id = ANY($1::uuid[]) AND grp = $2',
);

/** Which of these events `group` has applied in the transaction's shard, wherever they were published. */
export async function appliedIn(
  tx: ShardTransaction,
  group: string,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await tx.query<{ id: string }>(applied(ids, group));
  return new Set(rows.map(({ id }) => id));
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

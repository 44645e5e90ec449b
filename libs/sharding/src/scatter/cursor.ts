import { shardingErrors } from '../sharding.errors.js';
import type { Keys, OrderPlan } from './order-plan.js';

/** A cursor is opaque to whoever holds it: the order it belongs to and the keys of the last row seen. */
export function encodeCursor({ fingerprint }: OrderPlan, keys: Keys): string {
  return Buffer.from(JSON.stringify([fingerprint, keys])).toString('base64url');
}

/**
 * The keys in a cursor. It comes back from a client, so nothing in it is believed: whatever this order cannot have made is
 * refused here, before PostgreSQL sees it.
 * @throws RK_SHARDING_BAD_CURSOR
 */
export function decodeCursor(order: OrderPlan, cursor: string): Keys {
  const keys = keysIn(cursor);
  const valid =
    keys?.length === order.terms.length &&
    order.terms.every(({ kind, nullable }, i) => {
      const key = keys[i];
      return key === null ? nullable : typeof key === 'string' && kind.valid(key);
    });
  // One text per place in one order: what decodes leniently, or was made under another order, does not come out the same.
  if (!valid || encodeCursor(order, keys as Keys) !== cursor) throw shardingErrors.create('BAD_CURSOR');
  return keys as Keys;
}

function keysIn(cursor: unknown): readonly unknown[] | undefined {
  if (typeof cursor !== 'string') return undefined;
  try {
    const content: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Array.isArray(content) && Array.isArray(content[1]) ? content[1] : undefined;
  } catch {
    return undefined;
  }
}

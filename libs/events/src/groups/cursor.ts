/**
 * How far a group is in the log of one shard.
 *
 * Everything visible in the snapshot `from` is dealt with (where it is null: everything numbered up to `done`). While a
 * window that was too large to be sorted is walked through, `upto` is its end, and what it holds up to number `done` is
 * dealt with, too. Snapshots are in PostgreSQL's text form, `xmin:xmax:xip,…`.
 */
export interface Cursor {
  readonly from: string | null;
  readonly upto: string | null;
  readonly done: string;
}

export const BEGINNING: Cursor = { from: null, upto: null, done: '0' };

export interface Snapshot {
  readonly xmin: bigint;
  readonly xmax: bigint;
  readonly xip: readonly string[];
}

export function parseSnapshot(text: string): Snapshot {
  const [xmin, xmax, xip] = text.split(':') as [string, string, string];
  return { xmin: BigInt(xmin), xmax: BigInt(xmax), xip: xip === '' ? [] : xip.split(',') };
}

/** Snapshots of one server are totally ordered by what they see; of two cursors, the one that has seen less. */
export function earlier(a: Cursor, b: Cursor): Cursor {
  if (a.from === null || b.from === null) {
    if (a.from === null && b.from === null) return BigInt(a.done) <= BigInt(b.done) ? a : b;
    return a.from === null ? a : b;
  }
  if (a.from === b.from) return { from: a.from, upto: null, done: '0' };
  const [x, y] = [parseSnapshot(a.from), parseSnapshot(b.from)];
  if (x.xmax !== y.xmax) return x.xmax < y.xmax ? a : b;
  if (x.xmin !== y.xmin) return x.xmin < y.xmin ? a : b;
  return x.xip.length >= y.xip.length ? a : b;
}

import { setTimeout as pause } from 'node:timers/promises';
import { newId } from '@rookery/kernel';
import type { Shards, ShardTransaction } from '@rookery/sharding';
import { eventsErrors } from '../events.errors.js';
import { parseSnapshot, type Cursor } from '../groups/cursor.js';
import { LANES } from '../log/log.schema.js';
import { lockGroup } from './forget-group.js';
import * as sql from './replay-from.sql.js';

/** What a replay from a time would bring again on one shard. */
export interface ReplayExtent {
  readonly shard: string;
  /** Events since then of the types that the group handles, or of all types where no replica says which those are. */
  readonly events: number;
  /** When the first event that the log still holds was written; null where it is empty. */
  readonly logSince: Date | null;
}

export interface ReplayedShard {
  readonly shard: string;
  /** Effects that are forgotten, and so had again. */
  readonly forgotten: number;
  /** Parked events that come again from the log. */
  readonly unparked: number;
  /** The number behind which the group begins; null where nothing was published since, and it stays where it is. */
  readonly behind: string | null;
}

export interface ReplayFromOptions {
  readonly onProgress?: (line: string) => void;
}

/** Lanes are held this long at a time: as long as they stand still if the one who holds them dies. */
const HOLD_MS = 15_000;
const LOOK_MS = 200;
/** The first renewal after the lanes were taken away tells a replica of it; by the next one it has let go. */
const RENEWALS = 2;

/** Counts what a replay would bring again. Changes nothing. @throws RK_EVENTS_UNKNOWN_GROUP */
export async function extentOfReplay(shards: Shards, group: string, from: Date): Promise<ReplayExtent[]> {
  const extents: ReplayExtent[] = [];
  let known = false;
  for (const shard of shards.shardNames) {
    const [row] = await shards.queryShard<{ known: boolean; events: number; logSince: Date | null }>(
      shard,
      sql.extent(group, from),
    );
    known ||= row!.known;
    extents.push({ shard, events: row!.events, logSince: row!.logSince });
  }
  if (!known) throw eventsErrors.create('UNKNOWN_GROUP', { data: { group } });
  return extents;
}

/**
 * Has a group handle everything again that was published since a time, effects included.
 *
 * 1. All its lanes are taken away from the replicas that read them, and held; it waits until those have let go, since an
 *    event that one of them still had under way would be handled before those that come again. A handler that takes longer
 *    than its replica's lease may still do so.
 * 2. Its inbox lines since then are deleted, on all shards: effects may lie on another shard than their events.
 * 3. Shard by shard, in one transaction: what is parked since then is dropped, as the log brings it again in its place, and
 *    the cursor is sent back.
 *
 * Ended after any step it loses nothing. Before the third, the group goes on from where it was as soon as the hold runs out
 * (what a replica had not saved as passed yet comes again, as it was to anyway); once a cursor has been sent back, the lines
 * are gone that would keep its events from being handled. The other order would pass over events whose lines are still
 * there. Run again, it does what is left.
 *
 * A cursor never moves forward, nor beyond a number that somebody may have drawn and not committed yet: so some events
 * of before may be read again, whose inbox lines keep them from being handled again.
 *
 * @throws RK_EVENTS_UNKNOWN_GROUP; _GROUP_IN_USE if lanes were taken meanwhile; as a transaction, where a shard is away
 */
export async function replayFrom(
  shards: Shards,
  group: string,
  from: Date,
  { onProgress = () => undefined }: ReplayFromOptions = {},
): Promise<ReplayedShard[]> {
  await extentOfReplay(shards, group, from);
  const holder = `replay ${newId(0)}`;
  const keep = new AbortController();
  const keeping = keepHold(shards, group, holder, keep.signal);
  try {
    onProgress('taking its lanes away from the replicas');
    for (const shard of shards.shardNames) {
      await shards.transactionAt(shard, async (tx) => {
        tx.send(lockGroup(group));
        tx.send(sql.hold(group, holder, HOLD_MS));
      });
    }
    await untilLetGo(shards, group, onProgress);
    const forgotten = new Map<string, number>();
    for (const shard of shards.shardNames) {
      onProgress(`${shard}: forgetting what it has applied`);
      const { rowCount } = await shards.transactionAt(shard, (tx) =>
        tx.execute(sql.forgetApplied(group, from)),
      );
      forgotten.set(shard, rowCount);
    }
    const done: ReplayedShard[] = [];
    for (const shard of shards.shardNames) {
      onProgress(`${shard}: sending it back`);
      const sent = await shards.transactionAt(shard, (tx) => sendBack(tx, group, holder, from));
      done.push({ shard, forgotten: forgotten.get(shard)!, ...sent });
    }
    return done;
  } finally {
    keep.abort();
    await keeping;
    for (const shard of shards.shardNames) {
      // Where it fails the hold runs out by itself.
      await shards.queryShard(shard, sql.letGo(group, holder)).catch(() => undefined);
    }
  }
}

/** Deleting what a busy group has applied takes its time. */
async function keepHold(shards: Shards, group: string, holder: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(HOLD_MS / 3, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    for (const shard of shards.shardNames) {
      // Whether lanes are still held is looked at in the end, by whom it matters to.
      await shards.queryShard(shard, sql.holdOn(group, holder, HOLD_MS)).catch(() => undefined);
    }
  }
}

/** Waits until each replica of the group has renewed its membership as often as it takes to let go, or is gone. */
async function untilLetGo(shards: Shards, group: string, onProgress: (line: string) => void): Promise<void> {
  const seen = new Map<string, { until: string; renewals: number }>();
  for (;;) {
    const waiting = new Set<string>();
    for (const shard of shards.shardNames) {
      const rows = await shards.queryShard<{ replica: string; until: string }>(
        shard,
        sql.aliveMembers(group),
      );
      for (const { replica, until } of rows) {
        const key = `${shard} ${replica}`;
        const before = seen.get(key);
        const renewals = before ? before.renewals + (before.until === until ? 0 : 1) : 0;
        seen.set(key, { until, renewals });
        if (renewals < RENEWALS) waiting.add(replica);
      }
    }
    if (waiting.size === 0) return;
    onProgress(`waiting for ${[...waiting].join(', ')} to let go`);
    await pause(LOOK_MS);
  }
}

async function sendBack(
  tx: ShardTransaction,
  group: string,
  holder: string,
  from: Date,
): Promise<{ unparked: number; behind: string | null }> {
  tx.send(lockGroup(group));
  const held = await tx.query<{ cursor: Cursor; lanes: number }>(sql.heldLanes(group, holder));
  const lanes = held.reduce((sum, row) => sum + row.lanes, 0);
  // A shard that the group was never on has none of its lanes.
  if (lanes !== LANES && lanes !== 0) {
    throw eventsErrors.create('GROUP_IN_USE', {
      data: { group, replicas: 'a replica that took it up again' },
    });
  }
  const [start] = await tx.query<{ first: string | null; settled: string }>(sql.startOf(from));
  if (lanes === 0 || start!.first === null) return { unparked: 0, behind: null };
  const bounds = [BigInt(start!.first) - 1n, BigInt(start!.settled)];
  for (const { cursor } of held) bounds.push(...(await passedBy(tx, cursor)));
  const behind = String(bounds.reduce((least, bound) => (bound < least ? bound : least)));
  const { rowCount } = await tx.execute(sql.forgetParked(group, from));
  const cursor: Cursor = { from: null, upto: null, done: behind };
  tx.send(sql.sendBack(group, holder, JSON.stringify(cursor)));
  return { unparked: rowCount, behind };
}

/** Numbers up to which a cursor has passed everything that can be seen now. */
async function passedBy(tx: ShardTransaction, { from, upto, done }: Cursor): Promise<bigint[]> {
  const bounds: bigint[] = [];
  if (from === null || upto !== null) bounds.push(BigInt(done));
  const last = upto ?? from;
  if (last !== null) {
    const { xmax, xip } = parseSnapshot(last);
    const [row] = await tx.query<{ first: string | null }>(sql.firstUnseen(String(xmax), xip));
    if (row!.first !== null) bounds.push(BigInt(row!.first) - 1n);
  }
  return bounds;
}

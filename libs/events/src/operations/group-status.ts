import type { Shards } from '@rookery/sharding';
import { parseSnapshot, type Cursor } from '../groups/cursor.js';
import { LANES } from '../log/log.schema.js';
import * as sql from './group-status.sql.js';

/** How a group stands on one shard. */
export interface GroupOnShard {
  readonly group: string;
  readonly shard: string;
  /** Null where the log is not what the group reads: then it is a consumer of Kafka. */
  readonly lanes: { readonly owned: number; readonly free: number } | null;
  /** Names of the replicas that handle it. */
  readonly replicas: readonly string[];
  /** Events that it has not passed yet; null as `lanes`. */
  readonly behind: Behind | null;
  readonly parked: ParkedCounts;
}

export interface Behind {
  /** At most 10,000: more than that is not counted. */
  readonly events: number;
  /** Whether there may be more than `events`. */
  readonly more: boolean;
  /**
   * False where no replica says which types the group handles: then all events are counted, whether or not it will
   * handle them.
   */
  readonly typesKnown: boolean;
  /** Milliseconds since the oldest of them was published; null where there is none. */
  readonly oldestMs: number | null;
}

export interface ParkedCounts {
  readonly keys: number;
  /** Without those that were skipped. */
  readonly events: number;
  /** Events that wait for a person. */
  readonly held: number;
  readonly skipped: number;
}

interface LanesRow {
  readonly group: string;
  readonly cursor: Cursor;
  readonly lanes: number[];
  readonly owned: number;
}
interface MemberRow {
  readonly group: string;
  readonly replica: string;
  readonly types: string[];
  readonly alive: boolean;
}
interface UnreadRow {
  readonly events: number;
  readonly looked: number;
  readonly oldestMs: number | null;
}

/** More than that is not counted: it must be cheap, above all where a group is far behind. */
const MOST_COUNTED = 10_000;
/** Nor are more rows looked at, where most of them are of other groups. */
const MOST_LOOKED_AT = 100_000;
const NONE_PARKED: ParkedCounts = { keys: 0, events: 0, held: 0, skipped: 0 };

/** All groups that one shard knows, in the order of their names. Changes nothing. */
export async function groupsOnShard(shards: Shards, shard: string): Promise<GroupOnShard[]> {
  const [lanes, members, parked] = await Promise.all([
    shards.queryShard<LanesRow>(shard, sql.lanes()),
    shards.queryShard<MemberRow>(shard, sql.members()),
    shards.queryShard<ParkedCounts & { group: string }>(shard, sql.parkedCounts()),
  ]);
  const names = [...new Set([...lanes, ...members, ...parked].map(({ group }) => group))].sort();
  return Promise.all(
    names.map(async (group): Promise<GroupOnShard> => {
      const own = lanes.filter((row) => row.group === group);
      const inIt = members.filter((row) => row.group === group);
      const owned = own.reduce((sum, row) => sum + row.owned, 0);
      const { keys, events, held, skipped } = parked.find((row) => row.group === group) ?? NONE_PARKED;
      return {
        group,
        shard,
        lanes: own.length === 0 ? null : { owned, free: LANES - owned },
        replicas: inIt.filter(({ alive }) => alive).map(({ replica }) => replica),
        behind: own.length === 0 ? null : await behind(shards, shard, own, inIt),
        parked: { keys, events, held, skipped },
      };
    }),
  );
}

/** Each lane counts from where it is itself. */
async function behind(
  shards: Shards,
  shard: string,
  lanes: readonly LanesRow[],
  members: readonly MemberRow[],
): Promise<Behind> {
  const types = members.length === 0 ? null : [...new Set(members.flatMap((member) => member.types))];
  const parts = await Promise.all(
    lanes.flatMap((row) =>
      unreadOf(row, types).map((statement) => shards.queryShard<UnreadRow>(shard, statement)),
    ),
  );
  const rows = parts.flat();
  const events = rows.reduce((sum, row) => sum + row.events, 0);
  const ages = rows.flatMap(({ oldestMs }) => (oldestMs === null ? [] : [oldestMs]));
  return {
    events: Math.min(events, MOST_COUNTED),
    more: events > MOST_COUNTED || rows.some(({ looked }) => looked >= MOST_LOOKED_AT),
    typesKnown: types !== null,
    oldestMs: ages.length === 0 ? null : Math.max(0, ...ages),
  };
}

/** What a cursor leaves to be read: the rest of a window that is walked through, and what came after it. */
function unreadOf({ cursor: { from, upto, done }, lanes }: LanesRow, types: readonly string[] | null) {
  const parts = [];
  if (from === null || upto !== null) {
    parts.push(sql.unreadInWindow(lanes, types, MOST_LOOKED_AT, from, upto, done));
  }
  const last = upto ?? from;
  if (last !== null) {
    const { xmax, xip } = parseSnapshot(last);
    parts.push(sql.unreadSince(lanes, types, MOST_LOOKED_AT, String(xmax), xip));
  }
  return parts;
}

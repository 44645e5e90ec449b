import type { Behind, GroupOnShard, ParkedCounts } from '@rookery/events';

/** A group over all shards that answered, as `rookery events groups` shows it; the form of its JSON. */
export interface GroupReport extends Omit<GroupOnShard, 'shard'> {
  readonly shards: readonly GroupOnShard[];
}

/** More than that is not counted. */
const MOST_COUNTED = 10_000;

export function mergeGroups(parts: readonly GroupOnShard[]): GroupReport[] {
  const names = [...new Set(parts.map(({ group }) => group))].sort();
  return names.map((group) => {
    const shards = parts.filter((part) => part.group === group);
    const lanes = shards.flatMap((part) => (part.lanes === null ? [] : [part.lanes]));
    const behind = shards.flatMap((part) => (part.behind === null ? [] : [part.behind]));
    return {
      group,
      lanes:
        lanes.length === 0
          ? null
          : { owned: sum(lanes.map(({ owned }) => owned)), free: sum(lanes.map(({ free }) => free)) },
      replicas: [...new Set(shards.flatMap(({ replicas }) => replicas))].sort(),
      behind: behind.length === 0 ? null : behindOf(behind),
      parked: parkedOf(shards.map(({ parked }) => parked)),
      shards,
    };
  });
}

function behindOf(parts: readonly Behind[]): Behind {
  const events = sum(parts.map((part) => part.events));
  const ages = parts.flatMap(({ oldestMs }) => (oldestMs === null ? [] : [oldestMs]));
  return {
    events: Math.min(events, MOST_COUNTED),
    more: events > MOST_COUNTED || parts.some(({ more }) => more),
    typesKnown: parts.every(({ typesKnown }) => typesKnown),
    oldestMs: ages.length === 0 ? null : Math.max(...ages),
  };
}

function parkedOf(parts: readonly ParkedCounts[]): ParkedCounts {
  return {
    keys: sum(parts.map(({ keys }) => keys)),
    events: sum(parts.map(({ events }) => events)),
    held: sum(parts.map(({ held }) => held)),
    skipped: sum(parts.map(({ skipped }) => skipped)),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

import { slotOfId, type Id } from '@rookery/kernel';
import { slotOfNaturalKey, type Shards } from '@rookery/sharding';

/** The slot map as one table, for loops that ask it some hundred thousand times a second. */
export class SlotRoutes {
  private readonly shardOfSlot = new Map<number, string>();

  constructor(shards: Shards) {
    for (const shard of shards.shardNames) {
      for (const slot of shards.slotsOf(shard)) this.shardOfSlot.set(slot, shard);
    }
  }

  of(id: Id): string {
    return this.at(slotOfId(id));
  }

  ofValue(value: string): string {
    return this.at(slotOfNaturalKey(value));
  }

  /** Items by the shard of what `shardOf` says, in the order given. */
  group<T>(items: Iterable<T>, shardOf: (item: T) => string): Map<string, T[]> {
    const groups = new Map<string, T[]>();
    for (const item of items) {
      const shard = shardOf(item);
      const group = groups.get(shard);
      if (group) group.push(item);
      else groups.set(shard, [item]);
    }
    return groups;
  }

  private at(slot: number): string {
    const shard = this.shardOfSlot.get(slot);
    if (shard === undefined) throw new Error(`no shard that answers owns slot ${slot}`);
    return shard;
  }
}

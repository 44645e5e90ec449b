import { SLOT_COUNT } from '@rookery/kernel';

export type SlotState = 'open' | 'closed';

/** Where a slot is, as far as this replica knows. */
export interface Route {
  readonly slot: number;
  readonly shard: string;
  readonly epoch: number;
  readonly state: SlotState;
}

export interface OwnedSlot {
  readonly slot: number;
  readonly epoch: number;
  readonly state: SlotState;
}

/**
 * The slot map, assembled from what each shard says it owns. Where two shards name one slot (a shard that was away while
 * the slot moved), the higher epoch is right. What a shard said stays known while it is away, so that a call for one of
 * its slots can name it.
 */
export class SlotMap {
  private readonly routes: (Route | undefined)[] = new Array<Route | undefined>(SLOT_COUNT).fill(undefined);
  /** What every scatter asks; known until the map changes. */
  private summary: { readonly owners: ReadonlySet<string>; readonly unowned: number } | undefined;

  /** Takes the whole of what `shard` owns now; its slots that are not in `owned` are forgotten. */
  replace(shard: string, owned: readonly OwnedSlot[]): void {
    this.summary = undefined;
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (this.routes[slot]?.shard === shard) this.routes[slot] = undefined;
    }
    for (const { slot, epoch, state } of owned) {
      const known = this.routes[slot];
      if (!known || known.epoch < epoch) this.routes[slot] = { slot, shard, epoch, state };
    }
  }

  /** Fills gaps from the published map: it names the shard of a slot that no reachable shard owns. */
  fillGaps(published: Iterable<{ slot: number; shard: string; epoch: number }>): void {
    this.summary = undefined;
    for (const { slot, shard, epoch } of published) {
      this.routes[slot] ??= { slot, shard, epoch, state: 'open' };
    }
  }

  routeOf(slot: number): Route | undefined {
    return this.routes[slot];
  }

  /** Slots of a shard, ascending. */
  slotsOf(shard: string): Route[] {
    return this.routes.filter((route): route is Route => route?.shard === shard);
  }

  /** Shards that own at least one slot. */
  get owners(): ReadonlySet<string> {
    return this.summarized().owners;
  }

  /** Slots without a known owner. */
  get unowned(): number {
    return this.summarized().unowned;
  }

  private summarized(): { readonly owners: ReadonlySet<string>; readonly unowned: number } {
    if (!this.summary) {
      const owners = new Set<string>();
      let unowned = 0;
      for (const route of this.routes) {
        if (route) owners.add(route.shard);
        else unowned += 1;
      }
      this.summary = { owners, unowned };
    }
    return this.summary;
  }
}

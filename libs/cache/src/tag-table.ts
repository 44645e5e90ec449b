/** What an invalidation does to entries: `hard` ends them, `soft` lets them be served while they are loaded anew. */
export type InvalidationMode = 'hard' | 'soft';

interface TagState {
  readonly tag: string;
  hard: number;
  soft: number;
  users: number;
}

/**
 * The invalidations that this replica has heard of, as counters. Whoever starts to read takes a snapshot first; what was
 * read is current for as long as none of its counters has moved. Nothing is compared with a clock, and there is a counter
 * only for a tag that some snapshot still uses.
 */
export class TagTable {
  private readonly states = new Map<string, TagState>();
  private epoch = 0;

  get size(): number {
    return this.states.size;
  }

  /** To be taken before the reading begins, and released once nobody asks it any more. */
  snapshot(tags: readonly string[]): Snapshot {
    return new Snapshot(
      this,
      this.epoch,
      tags.map((tag) => this.use(tag)),
    );
  }

  invalidate(tags: readonly string[], mode: InvalidationMode): void {
    for (const tag of tags) {
      const state = this.states.get(tag);
      if (state) state[mode] += 1;
    }
  }

  /** Ends every snapshot. */
  invalidateAll(): void {
    this.epoch += 1;
  }

  isEpoch(epoch: number): boolean {
    return epoch === this.epoch;
  }

  release(state: TagState): void {
    state.users -= 1;
    if (state.users === 0) this.states.delete(state.tag);
  }

  private use(tag: string): TagState {
    let state = this.states.get(tag);
    if (!state) this.states.set(tag, (state = { tag, hard: 0, soft: 0, users: 0 }));
    state.users += 1;
    return state;
  }
}

/**
 * The counters of an entry's tags as they were before it was read. They only grow, so their sum is the same for as long as
 * none of them has moved.
 */
export class Snapshot {
  private readonly hard: number;
  private readonly all: number;
  private holders = 1;

  constructor(
    private readonly table: TagTable,
    private readonly epoch: number,
    private readonly states: readonly TagState[],
  ) {
    this.hard = hardOf(states);
    this.all = allOf(states);
  }

  get tagCount(): number {
    return this.states.length;
  }

  get tags(): readonly string[] {
    return this.states.map(({ tag }) => tag);
  }

  /** Whether nothing has been invalidated since. */
  get isCurrent(): boolean {
    return this.table.isEpoch(this.epoch) && allOf(this.states) === this.all;
  }

  /** Whether nothing has been invalidated since, or softly at most. */
  get mayBeServedStale(): boolean {
    return this.table.isEpoch(this.epoch) && hardOf(this.states) === this.hard;
  }

  /** For one holder more, who releases it, too. */
  hold(): this {
    this.holders += 1;
    return this;
  }

  release(): void {
    this.holders -= 1;
    if (this.holders > 0) return;
    for (const state of this.states) this.table.release(state);
  }
}

function hardOf(states: readonly TagState[]): number {
  let sum = 0;
  for (const { hard } of states) sum += hard;
  return sum;
}

function allOf(states: readonly TagState[]): number {
  let sum = 0;
  for (const { hard, soft } of states) sum += hard + soft;
  return sum;
}

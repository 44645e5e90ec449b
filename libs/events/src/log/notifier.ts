import type { Shards } from '@rookery/sharding';
import type { LaneMask } from './lanes.js';

/** At most 50 a second for each shard, outside any transaction: inside one it would cost more than half of the commits. */
const EVERY_MS = 20;

export const CHANNEL = 'rookery_event';

/** What a replica tells of a shard. */
export interface News {
  readonly replicaId: string;
  /** Where events were added; undefined: anywhere, and something may be due as well. */
  readonly lanes: LaneMask | undefined;
}

const WITH_LANES = /^(.*) lanes=([0-9a-f]+)$/s;

function written({ replicaId, lanes }: News): string {
  return lanes === undefined ? replicaId : `${replicaId} lanes=${lanes.toString(16)}`;
}

/** Reads what is told, also by a version of the site that names no lanes. */
export function parseNews(payload: string): News {
  const [, replicaId, lanes] = WITH_LANES.exec(payload) ?? [];
  return replicaId === undefined || lanes === undefined
    ? { replicaId: payload, lanes: undefined }
    : { replicaId, lanes: Number.parseInt(lanes, 16) };
}

/**
 * Tells the other replicas that a shard has news, and in which lanes, so that only those look which read there: of the first
 * at once, of what follows together. What is lost is found by looking: telling only makes it sooner.
 */
export class Notifier {
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly toldAt = new Map<string, number>();
  /** Of what waits to be told. */
  private readonly lanes = new Map<string, LaneMask | undefined>();
  private stopped = false;

  constructor(
    private readonly shards: Shards,
    private readonly replicaId: string,
  ) {}

  /** `lanes` are those of the events; undefined where something may be due, or where nobody knows. */
  tell(shard: string, lanes?: LaneMask): void {
    if (this.stopped) return;
    if (this.timers.has(shard)) {
      const before = this.lanes.get(shard);
      this.lanes.set(shard, before === undefined || lanes === undefined ? undefined : before | lanes);
      return;
    }
    this.lanes.set(shard, lanes);
    const since = performance.now() - (this.toldAt.get(shard) ?? -Infinity);
    const timer = setTimeout(() => this.tellNow(shard), Math.max(0, EVERY_MS - since));
    this.timers.set(shard, timer);
  }

  stop(): void {
    this.stopped = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
  }

  private tellNow(shard: string): void {
    this.timers.delete(shard);
    this.toldAt.set(shard, performance.now());
    const told = written({ replicaId: this.replicaId, lanes: this.lanes.get(shard) });
    // A shard that does not answer is told of by whoever needs it.
    this.shards.notify(shard, CHANNEL, told).catch(() => undefined);
  }
}

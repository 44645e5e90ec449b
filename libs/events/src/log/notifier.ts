import type { Shards } from '@rookery/sharding';

/** At most 50 a second for each shard, outside any transaction: inside one it would cost more than half of the commits. */
const EVERY_MS = 20;

export const CHANNEL = 'rookery_event';

/**
 * Tells the other replicas that a shard has news: of the first at once, of what follows together. What is lost is found by
 * looking: telling only makes it sooner.
 */
export class Notifier {
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly toldAt = new Map<string, number>();
  private stopped = false;

  constructor(
    private readonly shards: Shards,
    private readonly replicaId: string,
  ) {}

  tell(shard: string): void {
    if (this.stopped || this.timers.has(shard)) return;
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
    // A shard that does not answer is told of by whoever needs it.
    this.shards.notify(shard, CHANNEL, this.replicaId).catch(() => undefined);
  }
}

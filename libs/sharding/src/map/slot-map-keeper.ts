import pg from 'pg';
import { SLOT_COUNT, type HealthProbe, type HealthReport, type Meter } from '@rookery/kernel';
import { shardingErrors } from '../sharding.errors.js';
import { connectInTime, inTime } from '../in-time.js';
import { ANSWER_LIMIT_MS, ShardWatcher, type WatchQuery } from './shard-watcher.js';
import { SlotMap, type Route } from './slot-map.js';

export interface SlotMapKeeperOptions {
  readonly shards: readonly { readonly name: string; readonly url: string }[];
  readonly controlUrl: string;
  readonly connectTimeoutMs: number;
  readonly pollMs: number;
  readonly leaseMs: number;
  readonly recheckWaitMs?: number;
  readonly applicationName: string;
  readonly meter: Meter;
  readonly admit: (shard: string, position: number, query: WatchQuery) => Promise<void>;
  readonly onShardState: (shard: string, trouble: Error | undefined) => void;
  readonly onWarning: (message: string, error?: unknown) => void;
}

/**
 * Knows which shard owns which slot. The map is assembled from every shard's own list, so no single database is needed to
 * route; the published map in the control database only names the owner of slots whose shard was never seen.
 */
export class SlotMapKeeper {
  private readonly map = new SlotMap();
  private readonly watchers = new Map<string, ShardWatcher>();
  private readonly listeners = new Map<string, Set<(shard: string, payload: string) => void>>();
  private reportedAway = new Set<string>();
  private readonly endGauges: readonly (() => void)[];

  constructor(private readonly options: SlotMapKeeperOptions) {
    options.shards.forEach(({ name, url }, position) => {
      this.watchers.set(
        name,
        new ShardWatcher({
          shard: name,
          url,
          connectTimeoutMs: options.connectTimeoutMs,
          pollMs: options.pollMs,
          recheckWaitMs: options.recheckWaitMs,
          applicationName: options.applicationName,
          meter: options.meter,
          admit: (query) => options.admit(name, position, query),
          onSlots: (owned) => this.map.replace(name, owned),
          onState: (trouble) => this.noteState(name, trouble),
          channels: () => [...this.listeners.keys()],
          onNotification: (channel, payload) => this.tell(name, channel, payload),
        }),
      );
    });
    const endAge = options.meter.gauge(
      {
        name: 'rookery_sharding_slot_map_age_seconds',
        help: 'Time since a shard confirmed which slots it owns',
        labels: ['shard'],
      },
      () => [...this.watchers.values()].map((w) => ({ value: w.age / 1000, labels: { shard: w.shard } })),
    );
    const endSlots = options.meter.gauge(
      { name: 'rookery_sharding_slots', help: 'Slots owned by shard', labels: ['shard'] },
      () =>
        [...this.watchers.keys()].map((shard) => ({
          value: this.map.slotsOf(shard).length,
          labels: { shard },
        })),
    );
    this.endGauges = [endAge, endSlots];
  }

  /**
   * First look at every shard, all at once. Resolves with the shards that are away; a shard that is there but refused
   * (wrong cluster, wrong schema) rejects, since serving beside it would be wrong.
   */
  async start(): Promise<{ away: string[] }> {
    const looks = await Promise.allSettled([...this.watchers.values()].map((watcher) => watcher.look()));
    for (const look of looks) {
      if (look.status === 'rejected' && isRefusal(look.reason)) {
        throw look.reason;
      }
    }
    if (this.map.unowned > 0) await this.readPublished();
    for (const watcher of this.watchers.values()) watcher.start();
    return { away: [...this.watchers.values()].filter((w) => w.away).map((w) => w.shard) };
  }

  /**
   * Hears a channel on every shard, now or when the shard is there. Whenever it begins to listen to one it is told of an
   * empty notification, since earlier ones may have been missed.
   */
  onNotification(channel: string, listener: (shard: string, payload: string) => void): () => void {
    const listeners = this.listeners.get(channel) ?? new Set();
    this.listeners.set(channel, listeners);
    listeners.add(listener);
    for (const watcher of this.watchers.values()) watcher.listen();
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.listeners.delete(channel);
    };
  }

  /** As `Shards.notify`. */
  async notify(shard: string, channel: string, payload: string): Promise<void> {
    await this.watchers.get(shard)?.notify(channel, payload);
  }

  /** What a listener throws says nothing of the shard, nor of the others who listen. */
  private tell(shard: string, channel: string, payload: string): void {
    for (const listener of this.listeners.get(channel) ?? []) {
      try {
        listener(shard, payload);
      } catch (error) {
        this.options.onWarning(`a notification on ${channel} of shard ${shard} could not be taken`, error);
      }
    }
  }

  async stop(): Promise<void> {
    for (const end of this.endGauges) end();
    await Promise.all([...this.watchers.values()].map((watcher) => watcher.stop()));
  }

  /**
   * Where `slot` is. The answer is at most one lease old: an older one is confirmed first, which waits.
   * @throws RK_SHARDING_SLOT_UNOWNED
   */
  route(slot: number): Route | Promise<Route> {
    const route = this.map.routeOf(slot);
    if (route) {
      const watcher = this.watchers.get(route.shard);
      // A shard that is away is told by its pool, with its name; nothing can be confirmed there.
      if (!watcher || watcher.away || watcher.age <= this.options.leaseMs) return route;
    }
    return this.confirm(slot);
  }

  private async confirm(slot: number): Promise<Route> {
    // Usually the shard only has to say again what it said before; another one that hangs is not waited for.
    const known = this.map.routeOf(slot);
    if (known) await this.look([known.shard]);
    const confirmed = this.map.routeOf(slot);
    if (confirmed && confirmed.shard === known?.shard) return confirmed;
    await this.refresh();
    const route = this.map.routeOf(slot);
    if (!route) throw shardingErrors.create('SLOT_UNOWNED', { data: { slot }, retryAfterSeconds: 1 });
    return route;
  }

  /**
   * Asks every shard that is not away what it owns, now. Never rejects: who does not answer keeps what was known. Those
   * that are away are looked at by their own loops.
   */
  async refresh(): Promise<void> {
    await this.look([...this.watchers.keys()]);
    if (this.map.unowned > 0) await this.readPublished();
  }

  /** While a shard is away: looks again, for a moment, before a caller is turned away. */
  async recheck(shard: string): Promise<void> {
    await this.watchers.get(shard)?.recheck();
  }

  private async look(shards: readonly string[]): Promise<void> {
    await Promise.allSettled(
      shards.map(async (shard) => {
        const watcher = this.watchers.get(shard);
        if (watcher && !watcher.away) await watcher.lookAfresh();
      }),
    );
  }

  /** A call met trouble at this shard: look at it without waiting for the next turn. */
  suspect(shard: string): void {
    this.watchers.get(shard)?.wake();
  }

  /** Why a shard is not served; `undefined` while it is. */
  awayOf(shard: string): Error | undefined {
    return this.watchers.get(shard)?.away;
  }

  ageOf(shard: string): number {
    return this.watchers.get(shard)?.age ?? Infinity;
  }

  slotsOf(shard: string): Route[] {
    return this.map.slotsOf(shard);
  }

  /** Shards a scatter must ask: all that own a slot. @throws RK_SHARDING_SLOT_UNOWNED while some slot has no known owner */
  owners(): ReadonlySet<string> {
    const { owners } = this.map;
    if (this.map.unowned > 0) {
      for (let slot = 0; slot < SLOT_COUNT; slot++) {
        if (!this.map.routeOf(slot)) {
          throw shardingErrors.create('SLOT_UNOWNED', { data: { slot }, retryAfterSeconds: 1 });
        }
      }
    }
    return owners;
  }

  /** One probe per shard; none is critical, since the others serve without it. */
  probes(): HealthProbe[] {
    return [...this.watchers.values()].map((watcher) => ({
      name: `shard-${watcher.shard}`,
      critical: false,
      check: (): Promise<HealthReport> =>
        Promise.resolve({
          status: watcher.away ? 'down' : 'up',
          details: {
            slots: this.map.slotsOf(watcher.shard).length,
            confirmedMsAgo: Number.isFinite(watcher.age) ? Math.round(watcher.age) : undefined,
            trouble: watcher.away?.message,
          },
        }),
    }));
  }

  private noteState(shard: string, trouble: Error | undefined): void {
    this.options.onShardState(shard, trouble);
    if (trouble && !this.reportedAway.has(shard)) {
      this.reportedAway.add(shard);
      this.options.onWarning(`shard ${shard} is away: ${trouble.message || 'no answer'}`, trouble);
    } else if (!trouble && this.reportedAway.delete(shard)) {
      this.options.onWarning(`shard ${shard} is back`);
    }
  }

  private async readPublished(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.options.controlUrl,
      application_name: `${this.options.applicationName}-map`,
    });
    client.on('error', () => undefined);
    try {
      await connectInTime(client, this.options.connectTimeoutMs);
      const { rows } = await inTime(
        client.query<{ slot: number; shard: string; epoch: string }>(
          'SELECT slot, shard, epoch FROM rookery_map',
        ),
        ANSWER_LIMIT_MS,
      );
      this.map.fillGaps(rows.map((row) => ({ slot: row.slot, shard: row.shard, epoch: Number(row.epoch) })));
    } catch (error) {
      // Without it those slots are answered with SLOT_UNOWNED, which is true as far as anybody can tell.
      this.options.onWarning('the published slot map cannot be read', error);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

function isRefusal(error: unknown): boolean {
  return (
    shardingErrors.is(error, 'IDENTITY') ||
    shardingErrors.is(error, 'SCHEMA_OLDER') ||
    shardingErrors.is(error, 'SCHEMA_NEWER') ||
    shardingErrors.is(error, 'MIGRATION_CHANGED')
  );
}

import type { Counter, Histogram, Meter } from '@rookery/kernel';

/** `bypass`: nothing cached could be trusted, so nothing was used. */
export type ReadStatus = 'hit' | 'stale' | 'miss' | 'bypass';

export interface CacheCounts {
  /** Served from this process's memory. */
  localHits: number;
  /** Served from the driver. */
  sharedHits: number;
  stale: number;
  misses: number;
  bypasses: number;
  refills: number;
  failedRefills: number;
  /** Reads that waited for a load of somebody else instead of loading. */
  stampedesAvoided: number;
  invalidations: number;
  driverFaults: number;
}

const NAMES: Readonly<Record<keyof CacheCounts, readonly [name: string, outcome: string]>> = {
  localHits: ['reads', 'local_hit'],
  sharedHits: ['reads', 'shared_hit'],
  stale: ['reads', 'stale'],
  misses: ['reads', 'miss'],
  bypasses: ['reads', 'bypass'],
  refills: ['refills', 'ok'],
  failedRefills: ['refills', 'error'],
  stampedesAvoided: ['stampedes', 'avoided'],
  invalidations: ['invalidations', 'made'],
  driverFaults: ['driver_calls', 'fault'],
};
const HELP: Readonly<Record<string, string>> = {
  reads: 'Reads of the cache by outcome',
  refills: 'Loads of entries by outcome',
  stampedes: 'Reads that waited for the load of another one',
  invalidations: 'Invalidations asked for here',
  driver_calls: 'Calls to what replicas share that failed or came too late',
};
const LATENCIES = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Counted in plain numbers, which cost a hit nothing, and handed to the meter when somebody looks, or each second. */
export class CacheMetrics {
  readonly counts: CacheCounts = {
    localHits: 0,
    sharedHits: 0,
    stale: 0,
    misses: 0,
    bypasses: 0,
    refills: 0,
    failedRefills: 0,
    stampedesAvoided: 0,
    invalidations: 0,
    driverFaults: 0,
  };
  private readonly reported = { ...this.counts };
  private readonly counters = new Map<string, Counter>();
  readonly loadSeconds: Histogram;
  readonly driverSeconds: Histogram;
  readonly invalidationSeconds: Histogram;

  constructor(meter: Meter) {
    for (const [name, help] of Object.entries(HELP)) {
      this.counters.set(
        name,
        meter.counter({ name: `rookery_cache_${name}_total`, help, labels: ['outcome'] }),
      );
    }
    const seconds = (what: string, help: string, labels: readonly string[] = []) =>
      meter.histogram({ name: `rookery_cache_${what}_seconds`, help, labels, buckets: LATENCIES });
    this.loadSeconds = seconds('load', 'How long loads of entries took');
    this.driverSeconds = seconds('driver', 'How long reads of what replicas share took');
    this.invalidationSeconds = seconds('invalidation', 'How long invalidations took, acknowledged or not', [
      'acknowledged',
    ]);
  }

  report(): void {
    for (const field of Object.keys(NAMES) as (keyof CacheCounts)[]) {
      const more = this.counts[field] - this.reported[field];
      if (more === 0) continue;
      const [name, outcome] = NAMES[field];
      this.counters.get(name)!.add(more, { outcome });
      this.reported[field] = this.counts[field];
    }
  }
}

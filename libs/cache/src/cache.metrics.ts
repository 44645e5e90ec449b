import type { Counter, Histogram, Meter, MetricOptions } from '@rookery/kernel';

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

const NAMES: Readonly<Record<keyof CacheCounts, readonly [counter: keyof typeof COUNTERS, outcome: string]>> =
  {
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
const COUNTERS = {
  reads: { name: 'rookery_cache_reads_total', help: 'Reads of the cache by outcome', labels: ['outcome'] },
  refills: { name: 'rookery_cache_refills_total', help: 'Loads of entries by outcome', labels: ['outcome'] },
  stampedes: {
    name: 'rookery_cache_stampedes_total',
    help: 'Reads that waited for the load of another one',
    labels: ['outcome'],
  },
  invalidations: {
    name: 'rookery_cache_invalidations_total',
    help: 'Invalidations asked for here',
    labels: ['outcome'],
  },
  driver_calls: {
    name: 'rookery_cache_driver_calls_total',
    help: 'Calls to what replicas share that failed or came too late',
    labels: ['outcome'],
  },
} satisfies Readonly<Record<string, MetricOptions>>;
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
    for (const [name, options] of Object.entries(COUNTERS)) this.counters.set(name, meter.counter(options));
    this.loadSeconds = meter.histogram({
      name: 'rookery_cache_load_seconds',
      help: 'How long loads of entries took',
      buckets: LATENCIES,
    });
    this.driverSeconds = meter.histogram({
      name: 'rookery_cache_driver_seconds',
      help: 'How long reads of what replicas share took',
      buckets: LATENCIES,
    });
    this.invalidationSeconds = meter.histogram({
      name: 'rookery_cache_invalidation_seconds',
      help: 'How long invalidations took, acknowledged or not',
      labels: ['acknowledged'],
      buckets: LATENCIES,
    });
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

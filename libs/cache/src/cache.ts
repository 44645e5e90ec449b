import { currentDeadline, type HealthProbe, type HealthReport, type MetricOptions } from '@rookery/kernel';
import { Bulkhead } from './bulkhead.js';
import { cacheErrors } from './cache.errors.js';
import { CacheMetrics, type CacheCounts } from './cache.metrics.js';
import type { CacheSettings } from './cache.options.js';
import { shown, type CachedEntry } from './cached-entry.js';
import { EVERYTHING, type Acknowledgement, type CacheDriver, type DriverState } from './drivers/driver.js';
import type { Entry } from './entry.js';
import { explanationOf, type Explanation } from './explain.js';
import { L1 } from './l1.js';
import type { CacheReadOptions, LoadContext, LoadedEntry } from './loaded.js';
import { Refills } from './refills.js';
import { TagTable, type InvalidationMode } from './tag-table.js';
import { EntryWork, ValueWork, type Work } from './work.js';

export interface CacheStats extends CacheCounts {
  readonly local: { readonly entries: number; readonly bytes: number; readonly maxBytes: number };
  readonly tags: number;
  readonly loads: { readonly running: number; readonly waiting: number };
  readonly driver: DriverState & { readonly name: string; readonly inStep: boolean };
}

const REPORT_MS = 1_000;
const MOST_TAGS = 32;
const LONGEST_TAG = 256;

/**
 * Entries by key, each made of what its tags name. Promises: a read that begins after an invalidation was acknowledged
 * never gives what was loaded before it, on any replica; whatever the state of Redis, a read costs at most one of its
 * deadlines beside its load.
 */
export class Cache {
  private readonly table = new TagTable();
  private readonly l1: L1;
  private readonly bulkhead: Bulkhead;
  private readonly metrics: CacheMetrics;
  private readonly refills: Refills;
  private reporting: NodeJS.Timeout | undefined;
  private readonly endGauges: (() => void)[] = [];

  constructor(
    private readonly driver: CacheDriver,
    private readonly settings: CacheSettings,
  ) {
    this.l1 = new L1(settings.maxBytes);
    this.bulkhead = new Bulkhead(settings.bulkhead);
    this.metrics = new CacheMetrics(settings.meter);
    this.refills = new Refills(settings, driver, this.table, this.l1, this.bulkhead, this.metrics);
  }

  /** Resolves when it is in step with the other replicas, or after a moment if Redis is away. */
  async start(): Promise<void> {
    await this.driver.start({
      invalidated: (tags, mode) => this.table.invalidate(tags, mode),
      invalidatedAll: () => this.forgetAll(),
    });
    this.reporting ??= setInterval(() => this.metrics.report(), REPORT_MS);
    this.reporting.unref();
    const { meter } = this.settings;
    const gauge = (options: MetricOptions, read: () => number) =>
      this.endGauges.push(meter.gauge(options, () => [{ value: read() }]));
    gauge(
      { name: 'rookery_cache_local_bytes', help: 'Bytes that entries in memory take' },
      () => this.l1.bytes,
    );
    gauge({ name: 'rookery_cache_local_entries', help: 'Entries in memory' }, () => this.l1.size);
    gauge({ name: 'rookery_cache_loads_running', help: 'Loads under way' }, () => this.bulkhead.running);
    gauge(
      { name: 'rookery_cache_loads_waiting', help: 'Loads that wait for their turn' },
      () => this.bulkhead.waiting,
    );
    gauge({ name: 'rookery_cache_in_step', help: 'Whether this replica hears of invalidations' }, () =>
      this.driver.inStep(performance.now()) ? 1 : 0,
    );
  }

  async stop(): Promise<void> {
    clearInterval(this.reporting);
    this.reporting = undefined;
    await this.refills.settle();
    await this.driver.stop();
    this.metrics.report();
    for (const end of this.endGauges.splice(0)) end();
    this.l1.clear();
  }

  /**
   * The value of `key`, loaded if it is not there. It is frozen, and the same whether it was loaded or found: what JSON (or
   * the codec) makes of it.
   * @throws what the load throws; RK_CACHE_OVERLOADED, _LOAD_TIMEOUT, _NOT_SERIALIZABLE, _BAD_READ
   */
  get<T>(key: string, load: (context: LoadContext) => Promise<T>, options: CacheReadOptions<T>): Promise<T> {
    const now = performance.now();
    const entry = this.l1.get(key);
    if (entry?.isParsed && now < entry.earlyAt && this.driver.inStep(now) && entry.isFresh(now)) {
      this.metrics.counts.localHits += 1;
      return Promise.resolve(entry.value as T);
    }
    return this.read(new ValueWork(key, load, options), options, entry, now);
  }

  /**
   * The entry of `key` as bytes.
   * @throws as `get`
   */
  getEntry(
    key: string,
    load: (context: LoadContext) => Promise<Buffer | string | LoadedEntry>,
    options: CacheReadOptions,
  ): Promise<CachedEntry> {
    const work = new EntryWork(key, load, options);
    return this.read(work, options, this.l1.get(key), performance.now());
  }

  /**
   * The entry of `key`, if it is fresh in this process's memory: at once, for an answer before the router. Shortly before
   * its end one caller is told that there is none, so that it goes the long way and loads it anew.
   */
  peek(key: string): CachedEntry | undefined {
    const now = performance.now();
    const entry = this.l1.get(key);
    if (!entry || !this.driver.inStep(now) || !entry.isFresh(now)) return undefined;
    if (now >= entry.earlyAt && !entry.offered) {
      entry.offered = true;
      return undefined;
    }
    this.metrics.counts.localHits += 1;
    return shown(entry, 'hit', now);
  }

  /**
   * Ends what carries one of the tags, here at once. Resolves when no replica serves it any more: `acknowledged`. If that
   * cannot be had within `acknowledgeWithinMs` since Redis is away, it resolves all the same, and is recorded when Redis is
   * back, before anything there is used. To be called after the commit. Never rejects, but for
   * @throws RK_CACHE_BAD_READ when a tag is none
   */
  async invalidate(
    tags: readonly string[],
    { mode = 'hard' }: { readonly mode?: InvalidationMode } = {},
  ): Promise<Acknowledgement> {
    const reason = faultOfTags('invalidated', tags, false);
    if (reason !== undefined) throw badRead('invalidated', reason);
    if (tags.length === 0) return { acknowledged: true };
    const began = performance.now();
    this.metrics.counts.invalidations += 1;
    this.table.invalidate(tags, mode);
    const answer = await this.driver.invalidate(tags, mode);
    this.metrics.invalidationSeconds.observe((performance.now() - began) / 1_000, {
      acknowledged: String(answer.acknowledged),
    });
    return answer;
  }

  /** Ends every entry of this namespace and version, on all replicas. */
  invalidateAll(): Promise<Acknowledgement> {
    this.forgetAll();
    this.metrics.counts.invalidations += 1;
    return this.driver.invalidate([EVERYTHING], 'hard');
  }

  readonly probe: HealthProbe = {
    name: 'cache',
    critical: false,
    check: () => Promise.resolve(this.report()),
  };

  stats(): CacheStats {
    const { driver, bulkhead } = this;
    return {
      ...this.metrics.counts,
      local: { entries: this.l1.size, bytes: this.l1.bytes, maxBytes: this.settings.maxBytes },
      tags: this.table.size,
      loads: { running: bulkhead.running, waiting: bulkhead.waiting },
      driver: { name: driver.name, inStep: driver.inStep(performance.now()), ...driver.state() },
    };
  }

  /** What is kept of a key, here and by the driver, and why it would be served or not. */
  explain(key: string): Promise<Explanation> {
    return explanationOf(key, this.l1.look(key), this.driver);
  }

  private read<T>(
    work: Work<T>,
    options: CacheReadOptions,
    entry: Entry | undefined,
    now: number,
  ): Promise<T> {
    const { counts } = this.metrics;
    if (entry && this.driver.inStep(now)) {
      if (entry.isFresh(now)) {
        if (now >= entry.earlyAt && entry.mayBeRenewed(now)) this.refills.renew(entry, work);
        counts.localHits += 1;
        return settledBy(() => work.give(entry, 'hit'));
      }
      if (entry.mayBeServedStale(now)) {
        if (entry.mayBeRenewed(now)) this.refills.renew(entry, work);
        counts.stale += 1;
        return settledBy(() => work.give(entry, 'stale'));
      }
    }
    const reason = faultOf(work, options);
    if (reason !== undefined) return Promise.reject(badRead(work.key, reason));
    const search = this.refills.find(work, now);
    return currentDeadline()?.race(search, 'waiting for an entry') ?? search;
  }

  private forgetAll(): void {
    this.table.invalidateAll();
    this.l1.clear();
  }

  private report(): HealthReport {
    const { status, details } = this.driver.state();
    const inStep = this.driver.inStep(performance.now());
    return { status: status === 'up' && inStep ? 'up' : 'degraded', details: { ...details, inStep } };
  }
}

/** As a promise at once. */
function settledBy<T>(give: () => T): Promise<T> {
  try {
    return Promise.resolve(give());
  } catch (error) {
    return Promise.reject(error);
  }
}

/** What is wrong with a read. */
function faultOf({ key, tags }: Work, { ttlMs, staleMs = 0, negativeTtlMs = 0 }: CacheReadOptions) {
  if (!(ttlMs > 0 && staleMs >= 0 && negativeTtlMs >= 0)) return 'its lifetimes are not positive';
  return faultOfTags(key, tags, true);
}

function faultOfTags(key: string, tags: readonly string[], atLeastOne: boolean): string | undefined {
  if ((atLeastOne && tags.length === 0) || tags.length > MOST_TAGS) {
    return `it has ${tags.length} tags, not 1 to ${MOST_TAGS}`;
  }
  if (key.length === 0 || key.includes('\n')) return 'its key is empty or has more than one line';
  if (tags.every(isTag)) return undefined;
  return `a tag is empty, '${EVERYTHING}', of several lines or longer than ${LONGEST_TAG}`;
}

function badRead(key: string, reason: string): Error {
  return cacheErrors.create('BAD_READ', { data: { key, reason } });
}

function isTag(tag: string): boolean {
  return tag !== EVERYTHING && tag.length > 0 && tag.length <= LONGEST_TAG && !tag.includes('\n');
}

import { setTimeout as delay } from 'node:timers/promises';
import { currentDeadline } from '@rookery/kernel';
import type { Bulkhead } from './bulkhead.js';
import { cacheErrors } from './cache.errors.js';
import type { CacheMetrics, ReadStatus } from './cache.metrics.js';
import type { CacheSettings } from './cache.options.js';
import type { CacheDriver, DriverRead, LeaseWish, Versions } from './drivers/driver.js';
import { entryOf, type Entry } from './entry.js';
import type { L1 } from './l1.js';
import type { Loaded } from './loaded.js';
import type { Snapshot, TagTable } from './tag-table.js';
import type { Work } from './work.js';

interface Found {
  readonly entry: Entry;
  readonly status: ReadStatus;
}

interface Rights {
  readonly versions?: Versions;
  readonly lease?: string;
  /** Milliseconds for which the lease is left to run out when the load fails: there is something stale to serve. */
  readonly leaveMs?: number;
}

/** One search or load under way, which others may wait for. */
class Flight {
  snapshot: Snapshot | undefined;
  private hasLanded = false;
  private found: Promise<Found> | undefined;
  private resolve: ((found: Found) => void) | undefined;
  private reject: ((error: unknown) => void) | undefined;

  /** From now on it may give what was so at this moment. */
  begin(snapshot: Snapshot): Snapshot {
    this.snapshot?.release();
    return (this.snapshot = snapshot);
  }

  /** What it finds, until it has landed. Most fly alone: a promise is made for the first who joins. */
  join(): Promise<Found> {
    this.found ??= new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    return this.found;
  }

  async whenLanded(): Promise<void> {
    if (!this.hasLanded) await this.join().catch(() => undefined);
  }

  /** Keeps nothing: a map leaves the tables that it has outgrown to the collector, with what was in them, and not at once. */
  land(): void {
    this.hasLanded = true;
    this.snapshot?.release();
    this.snapshot = this.found = this.resolve = this.reject = undefined;
  }

  succeed(found: Found): void {
    this.resolve?.(found);
    this.land();
  }

  fail(error: unknown): void {
    this.reject?.(error);
    this.land();
  }
}

const COUNT_OF = { hit: 'sharedHits', stale: 'stale', miss: 'misses', bypass: 'bypasses' } as const;
const FIRST_PAUSE_MS = 4;
const LONGEST_PAUSE_MS = 40;
const RENEW_AGAIN_MS = 1_000;

/**
 * Finds entries that are not in this process's memory: asks the driver, else loads, once for all who wait in the process,
 * and by a lease once for all replicas.
 * A reader joins a flight only if nothing was invalidated since that began: nobody is given what was stale before he asked.
 */
export class Refills {
  private readonly flights = new Map<string, Flight>();
  private readonly background = new Set<Promise<void>>();

  constructor(
    private readonly settings: CacheSettings,
    private readonly driver: CacheDriver,
    private readonly table: TagTable,
    private readonly l1: L1,
    private readonly bulkhead: Bulkhead,
    private readonly metrics: CacheMetrics,
  ) {}

  /** Nothing fresh of it was in memory at the moment `now`. */
  find<T>(work: Work<T>, now: number): Promise<T> {
    const running = this.flights.get(work.key);
    if (running && this.mayJoin(running, now)) {
      this.metrics.counts.stampedesAvoided += 1;
      return this.join(running, work);
    }
    if (this.driver.inStep(now)) return this.look(work, now);
    const flight = this.takeOff(work);
    return this.finish(flight, work, this.searchOutOfStep(flight, work, running));
  }

  /** Loads anew in the background, unless another replica does. */
  renew(entry: Entry, work: Work, rights?: Rights): void {
    entry.renewing = true;
    const renewal = async () => {
      const flight = this.takeOff(work);
      try {
        await this.landing(
          flight,
          work,
          rights
            ? this.load(flight, work, { ...rights, leaveMs: RENEW_AGAIN_MS }, 'miss')
            : this.searchAnew(flight, entry, work),
        );
      } catch (error) {
        entry.renewAfter = performance.now() + RENEW_AGAIN_MS;
        this.settings.onWarning('an entry could not be loaded anew', error);
      } finally {
        entry.renewing = false;
      }
    };
    this.later(renewal());
  }

  /** Resolves when nothing is done in the background any more. */
  async settle(): Promise<void> {
    while (this.background.size > 0) await Promise.all(this.background);
  }

  private mayJoin({ snapshot }: Flight, now: number): boolean {
    return snapshot === undefined || (this.driver.inStep(now) && snapshot.isCurrent);
  }

  /** A load fails with the deadline of whoever began it: who has more time begins one of his own. */
  private async join<T>(flight: Flight, work: Work<T>): Promise<T> {
    let found: Found;
    try {
      found = await flight.join();
    } catch (error) {
      const isDeadline = error instanceof Error && 'code' in error && /DEADLINE/.test(String(error.code));
      if (!isDeadline || currentDeadline()?.passed === true) throw error;
      return this.find(work, performance.now());
    }
    return this.given(work, found);
  }

  private takeOff({ key }: Work, flight = new Flight()): Flight {
    this.flights.set(key, flight);
    return flight;
  }

  private async landing(flight: Flight, { key }: Work, search: Promise<Found>): Promise<Found> {
    try {
      const found = await search;
      this.land(flight, key, found);
      return found;
    } catch (error) {
      this.crash(flight, key, error);
      throw error;
    }
  }

  private land(flight: Flight, key: string, found: Found): void {
    if (this.flights.get(key) === flight) this.flights.delete(key);
    flight.succeed(found);
  }

  private crash(flight: Flight, key: string, error: unknown): void {
    if (this.flights.get(key) === flight) this.flights.delete(key);
    flight.fail(error);
  }

  private async finish<T>(flight: Flight, work: Work<T>, search: Promise<Found>): Promise<T> {
    return this.given(work, await this.landing(flight, work, search));
  }

  private given<T>(work: Work<T>, { entry, status }: Found): T {
    this.metrics.counts[COUNT_OF[status]] += 1;
    return work.give(entry, status);
  }

  /** What most reads come to is found at the first look, and costs one promise: requests make each of them dear. */
  private look<T>(work: Work<T>, began: number): Promise<T> {
    const flight = new Flight();
    const snapshot = flight.begin(this.table.snapshot(work.tags));
    const reading = this.driver.read(work.key, work.tags, 'unless-fresh');
    // Only now: a driver that throws at once would leave a flight to join that never lands.
    this.takeOff(work, flight);
    return reading.then(
      (read) => {
        const now = this.observed(began);
        if (!read.record) return this.finish(flight, work, this.searchOn(flight, work, read, began));
        let found: Found;
        try {
          found = this.take(work, snapshot, read, now);
        } catch (error) {
          this.crash(flight, work.key, error);
          throw error;
        }
        this.land(flight, work.key, found);
        return this.given(work, found);
      },
      (error: unknown) => this.finish(flight, work, this.searchAfter(flight, work, error, began)),
    );
  }

  /** A look that has failed. */
  private async searchAfter(flight: Flight, work: Work, error: unknown, began: number): Promise<Found> {
    this.observed(began);
    this.mustBeAway(error);
    return this.searchOn(flight, work, undefined, began);
  }

  private async searchOutOfStep(flight: Flight, work: Work, before: Flight | undefined): Promise<Found> {
    if (await this.driver.comeIntoStep()) {
      const began = performance.now();
      const snapshot = flight.begin(this.table.snapshot(work.tags));
      const read = await this.read(work, 'unless-fresh');
      if (read?.record) return this.take(work, snapshot, read, performance.now());
      return this.searchOn(flight, work, read, began);
    }
    // Nobody can tell whether what is being loaded is stale by now. So it is not joined: all who come meanwhile share the
    // next load, and there are never two of one key at a time.
    await before?.whenLanded();
    return this.load(flight, work, {}, 'bypass');
  }

  /** Loads, or waits for whoever does. */
  private async searchOn(
    flight: Flight,
    work: Work,
    seen: DriverRead | undefined,
    began: number,
  ): Promise<Found> {
    const giveUpAt = began + this.settings.waitForOthersMs;
    let read = seen;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      if (!read || read.lease !== undefined) return this.load(flight, work, read ?? {}, 'miss');
      if (performance.now() + pause > giveUpAt) return this.load(flight, work, read, 'miss');
      if (pause === FIRST_PAUSE_MS) this.metrics.counts.stampedesAvoided += 1;
      await delay(pause);
      const snapshot = flight.begin(this.table.snapshot(work.tags));
      read = await this.read(work, 'unless-fresh');
      if (read?.record) return this.take(work, snapshot, read, performance.now());
    }
  }

  private async searchAnew(flight: Flight, entry: Entry, work: Work): Promise<Found> {
    const snapshot = flight.begin(this.table.snapshot(work.tags));
    const read = await this.read(work, 'always');
    if (!read) return this.load(flight, work, {}, 'miss');
    const { record, lease } = read;
    const now = performance.now();
    const ours = now - entry.writtenAt;
    const isNew = record?.invalidated === 'no' && record.ageMs < ours / 2;
    if (record && (isNew || lease === undefined)) {
      if (lease !== undefined) this.later(this.driver.release(work.key, lease));
      return this.take(work, snapshot, { record }, now);
    }
    return this.load(flight, work, { ...read, leaveMs: RENEW_AGAIN_MS }, 'miss');
  }

  /** Nothing where the driver is away. */
  private async read({ key, tags }: Work, wish: LeaseWish): Promise<DriverRead | undefined> {
    const began = performance.now();
    try {
      return await this.driver.read(key, tags, wish);
    } catch (error) {
      return this.mustBeAway(error);
    } finally {
      this.observed(began);
    }
  }

  /** A call to the driver that began then. The present moment. */
  private observed(began: number): number {
    const now = performance.now();
    this.metrics.driverSeconds.observe((now - began) / 1_000);
    return now;
  }

  private mustBeAway(error: unknown): undefined {
    if (!cacheErrors.is(error, 'REDIS_AWAY')) throw error;
    this.metrics.counts.driverFaults += 1;
  }

  /** What is stale goes into memory, too, or each reader until its renewal would ask the driver. */
  private take(work: Work, snapshot: Snapshot, read: DriverRead, now: number): Found {
    const record = read.record!;
    const isStale = record.invalidated === 'soft' || record.ageMs >= record.meta.freshMs;
    const age = { ageMs: record.ageMs, isStale };
    const entry = entryOf(record, age, snapshot, now, work.parse(record));
    if (isStale && read.lease !== undefined)
      this.renew(entry, work, { versions: read.versions, lease: read.lease });
    else entry.renewAfter = now + LONGEST_PAUSE_MS;
    this.keep(work.key, entry, now);
    return { entry, status: isStale ? 'stale' : 'hit' };
  }

  private async load(flight: Flight, work: Work, rights: Rights, status: ReadStatus): Promise<Found> {
    const { versions, lease } = rights;
    const began = performance.now();
    let loaded: Loaded;
    try {
      loaded = await this.bulkhead.run(() => {
        if (!flight.snapshot) flight.begin(this.table.snapshot(work.tags));
        return this.inTime(work);
      });
      this.metrics.counts.refills += 1;
    } catch (error) {
      this.metrics.counts.failedRefills += 1;
      if (lease !== undefined) this.later(this.driver.release(work.key, lease, rights.leaveMs));
      throw error;
    } finally {
      this.metrics.loadSeconds.observe((performance.now() - began) / 1_000);
    }
    const { record, kept } = loaded;
    const now = performance.now();
    const age = { ageMs: 0, isStale: false };
    const entry = entryOf(record, age, flight.snapshot!, now, work.parse(record));
    // What was invalidated meanwhile would only take the place of what is right.
    const worthwhile = kept && flight.snapshot!.isCurrent;
    if (kept) this.keep(work.key, entry, now);
    else entry.snapshot.release();
    if (worthwhile && versions !== undefined) {
      this.later(this.driver.write(work.key, work.tags, record, versions, lease));
    } else if (lease !== undefined) this.later(this.driver.release(work.key, lease));
    return { entry, status };
  }

  private async inTime(work: Work): Promise<Loaded> {
    const limitMs = this.settings.loadTimeoutMs;
    const controller = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        controller.abort();
        reject(cacheErrors.create('LOAD_TIMEOUT', { data: { limitMs } }));
      }, limitMs);
    });
    try {
      return await Promise.race([work.load(controller.signal), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Into memory, if nothing was invalidated since the reading began. */
  private keep(key: string, entry: Entry, now: number): void {
    if (this.driver.inStep(now) && entry.snapshot.isCurrent) this.l1.put(key, entry);
    else entry.snapshot.release();
  }

  private later(work: Promise<unknown>): void {
    const promise: Promise<void> = work
      .then(() => undefined, this.warn)
      .finally(() => this.background.delete(promise));
    this.background.add(promise);
  }

  private readonly warn = (error: unknown): void => {
    this.metrics.counts.driverFaults += 1;
    if (!cacheErrors.is(error, 'REDIS_AWAY')) this.settings.onWarning('an entry could not be stored', error);
  };
}

import { setTimeout as delay } from 'node:timers/promises';
import { currentDeadline } from '@rookery/kernel';
import type { Bulkhead } from './bulkhead.js';
import { cacheErrors } from './cache.errors.js';
import type { CacheMetrics, ReadStatus } from './cache.metrics.js';
import type { CacheSettings } from './cache.options.js';
import type { CacheDriver, DriverRead, LeaseWish, StoredRecord, Versions } from './drivers/driver.js';
import { entryOf, type Entry } from './entry.js';
import type { L1 } from './l1.js';
import type { Loaded } from './loaded.js';
import type { Snapshot, TagTable } from './tag-table.js';

/** What is to be read, and how it is loaded when it is not there. */
export interface Work {
  readonly key: string;
  readonly tags: readonly string[];
  load(signal: AbortSignal): Promise<Loaded>;
  parse?(record: StoredRecord): unknown;
}

export interface Found {
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
  /** Nothing once it has landed. */
  promise: Promise<Found> | undefined;
  snapshot: Snapshot | undefined;

  /** From now on it may give what was so at this moment. */
  begin(snapshot: Snapshot): Snapshot {
    this.snapshot?.release();
    return (this.snapshot = snapshot);
  }
}

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

  find(work: Work): Promise<Found> {
    const running = this.flights.get(work.key);
    if (running?.promise && this.mayJoin(running)) {
      this.metrics.counts.stampedesAvoided += 1;
      return this.join(running.promise, work);
    }
    return this.fly(work, (flight) => this.search(flight, work, running));
  }

  /** Loads anew in the background, unless another replica does. */
  renew(entry: Entry, work: Work, rights?: Rights): void {
    entry.renewing = true;
    const run = (flight: Flight) =>
      rights
        ? this.load(flight, work, { ...rights, leaveMs: RENEW_AGAIN_MS }, 'miss')
        : this.searchAnew(flight, entry, work);
    const renewal = async () => {
      try {
        await this.fly(work, run);
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

  private mayJoin({ snapshot }: Flight): boolean {
    return snapshot === undefined || (this.driver.inStep(performance.now()) && snapshot.isCurrent);
  }

  /** A load fails with the deadline of whoever began it: who has more time begins one of his own. */
  private async join(flight: Promise<Found>, work: Work): Promise<Found> {
    try {
      return await flight;
    } catch (error) {
      const isDeadline = error instanceof Error && 'code' in error && /DEADLINE/.test(String(error.code));
      if (!isDeadline || currentDeadline()?.passed === true) throw error;
      return this.find(work);
    }
  }

  private fly(work: Work, run: (flight: Flight) => Promise<Found>): Promise<Found> {
    const flight = new Flight();
    this.flights.set(work.key, flight);
    const land = () => {
      flight.snapshot?.release();
      if (this.flights.get(work.key) === flight) this.flights.delete(work.key);
      // A map leaves the tables that it has outgrown to the collector, with what was in them, and not at once.
      flight.promise = undefined;
    };
    // `finally` would make three promises of one.
    const promise = run(flight).then(
      (found) => {
        land();
        return found;
      },
      (error: unknown) => {
        land();
        throw error;
      },
    );
    flight.promise = promise;
    return promise;
  }

  private search(flight: Flight, work: Work, before: Flight | undefined): Promise<Found> {
    if (this.driver.inStep(performance.now())) return this.searchShared(flight, work);
    return this.searchOutOfStep(flight, work, before);
  }

  private async searchOutOfStep(flight: Flight, work: Work, before: Flight | undefined): Promise<Found> {
    if (await this.driver.comeIntoStep()) return this.searchShared(flight, work);
    // Nobody can tell whether what is being loaded is stale by now. So it is not joined: all who come meanwhile share the
    // next load, and there are never two of one key at a time.
    await before?.promise?.catch(() => undefined);
    return this.load(flight, work, {}, 'bypass');
  }

  /** What most reads come to is found at the first look, and costs few promises: requests make each of them dear. */
  private searchShared(flight: Flight, work: Work): Promise<Found> {
    const began = performance.now();
    const snapshot = flight.begin(this.table.snapshot(work.tags));
    return this.read(work, 'unless-fresh', (read) =>
      read?.record ? this.take(work, snapshot, read) : this.searchOn(flight, work, read, began),
    );
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
      read = await this.read(work, 'unless-fresh', (again) => again);
      if (read?.record) return this.take(work, snapshot, read);
    }
  }

  private async searchAnew(flight: Flight, entry: Entry, work: Work): Promise<Found> {
    const snapshot = flight.begin(this.table.snapshot(work.tags));
    const read = await this.read(work, 'always', (seen) => seen);
    if (!read) return this.load(flight, work, {}, 'miss');
    const { record, lease } = read;
    const ours = performance.now() - entry.writtenAt;
    const isNew = record?.invalidated === 'no' && record.ageMs < ours / 2;
    if (record && (isNew || lease === undefined)) {
      if (lease !== undefined) this.later(this.driver.release(work.key, lease));
      return this.take(work, snapshot, { record });
    }
    return this.load(flight, work, { ...read, leaveMs: RENEW_AGAIN_MS }, 'miss');
  }

  /** Gives `next` nothing where the driver is away. */
  private read<T>(
    { key, tags }: Work,
    wish: LeaseWish,
    next: (read: DriverRead | undefined) => T | Promise<T>,
  ): Promise<T> {
    const { counts, driverSeconds } = this.metrics;
    const began = performance.now();
    const observe = () => driverSeconds.observe((performance.now() - began) / 1_000);
    return this.driver.read(key, tags, wish).then(
      (read) => {
        observe();
        return next(read);
      },
      (error: unknown) => {
        observe();
        if (!cacheErrors.is(error, 'REDIS_AWAY')) throw error;
        counts.driverFaults += 1;
        return next(undefined);
      },
    );
  }

  /** What is stale goes into memory, too, or each reader until its renewal would ask the driver. */
  private take(work: Work, snapshot: Snapshot, { record, ...rights }: DriverRead): Found {
    const { ageMs, invalidated, meta } = record!;
    const isStale = invalidated === 'soft' || ageMs >= meta.freshMs;
    const now = performance.now();
    const entry = entryOf(record!, { ageMs, isStale }, snapshot, now, work.parse?.bind(work));
    if (isStale && rights.lease !== undefined) this.renew(entry, work, rights);
    else entry.renewAfter = now + LONGEST_PAUSE_MS;
    this.keep(work.key, entry);
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
    const entry = entryOf(
      record,
      { ageMs: 0, isStale: false },
      flight.snapshot!,
      performance.now(),
      work.parse?.bind(work),
    );
    // What was invalidated meanwhile would only take the place of what is right.
    const worthwhile = kept && flight.snapshot!.isCurrent;
    if (kept) this.keep(work.key, entry);
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
  private keep(key: string, entry: Entry): void {
    if (this.driver.inStep(performance.now()) && entry.snapshot.isCurrent) this.l1.put(key, entry);
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

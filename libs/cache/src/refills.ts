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
  promise!: Promise<Found>;
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
    if (running && this.mayJoin(running)) {
      this.metrics.counts.stampedesAvoided += 1;
      return this.join(running, work);
    }
    return this.fly(work, (flight) => this.search(flight, work, running)).promise;
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
        await this.fly(work, run).promise;
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
  private async join(flight: Flight, work: Work): Promise<Found> {
    try {
      return await flight.promise;
    } catch (error) {
      const isDeadline = error instanceof Error && 'code' in error && /DEADLINE/.test(String(error.code));
      if (!isDeadline || currentDeadline()?.passed === true) throw error;
      return this.find(work);
    }
  }

  private fly(work: Work, run: (flight: Flight) => Promise<Found>): Flight {
    const flight = new Flight();
    this.flights.set(work.key, flight);
    flight.promise = run(flight).finally(() => {
      flight.snapshot?.release();
      if (this.flights.get(work.key) === flight) this.flights.delete(work.key);
    });
    return flight;
  }

  private search(flight: Flight, work: Work, before: Flight | undefined): Promise<Found> {
    if (this.driver.inStep(performance.now())) return this.searchShared(flight, work);
    return this.searchOutOfStep(flight, work, before);
  }

  private async searchOutOfStep(flight: Flight, work: Work, before: Flight | undefined): Promise<Found> {
    if (await this.driver.comeIntoStep()) return this.searchShared(flight, work);
    // Nobody can tell whether what is being loaded is stale by now. So it is not joined: all who come meanwhile share the
    // next load, and there are never two of one key at a time.
    await before?.promise.catch(() => undefined);
    return this.load(flight, work, {}, 'bypass');
  }

  private async searchShared(flight: Flight, work: Work): Promise<Found> {
    const giveUpAt = performance.now() + this.settings.waitForOthersMs;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      const snapshot = flight.begin(this.table.snapshot(work.tags));
      const read = await this.read(work, 'unless-fresh');
      if (read?.record) return this.take(work, snapshot, read);
      if (!read || read.lease !== undefined) return this.load(flight, work, read ?? {}, 'miss');
      if (performance.now() + pause > giveUpAt) return this.load(flight, work, read, 'miss');
      if (pause === FIRST_PAUSE_MS) this.metrics.counts.stampedesAvoided += 1;
      await delay(pause);
    }
  }

  private async searchAnew(flight: Flight, entry: Entry, work: Work): Promise<Found> {
    const snapshot = flight.begin(this.table.snapshot(work.tags));
    const read = await this.read(work, 'always');
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

  private async read(work: Work, wish: LeaseWish): Promise<DriverRead | undefined> {
    const began = performance.now();
    try {
      return await this.driver.read(work.key, work.tags, wish);
    } catch (error) {
      if (!cacheErrors.is(error, 'REDIS_AWAY')) throw error;
      this.metrics.counts.driverFaults += 1;
      return undefined;
    } finally {
      this.metrics.driverSeconds.observe((performance.now() - began) / 1_000);
    }
  }

  /** What is stale goes into memory, too, or each reader until its renewal would ask the driver. */
  private take(work: Work, snapshot: Snapshot, { record, ...rights }: DriverRead): Found {
    const { ageMs, invalidated, ...stored } = record!;
    const isStale = invalidated === 'soft' || ageMs >= stored.meta.freshMs;
    const now = performance.now();
    const entry = entryOf(stored, { ageMs, isStale }, snapshot, now, work.parse?.bind(work));
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

import { setTimeout as delay } from 'node:timers/promises';
import { cacheErrors } from '../cache.errors.js';
import type {
  Acknowledgement,
  CacheDriver,
  DriverEntry,
  DriverListener,
  DriverRead,
  DriverState,
  LeaseWish,
  StoredRecord,
  Versions,
} from '../drivers/driver.js';
import type { InvalidationMode } from '../tag-table.js';

/** What a chaos driver does to calls; a test changes it as it goes. */
export interface Chaos {
  /** Each call takes up to so many milliseconds more, before and after. */
  upToMs: number;
  /** Share of reads and writes that fail as if the server were away, from 0 to 1. */
  failing: number;
  /** The replica hears nothing: it is not in step, and knows it. */
  deaf: boolean;
}

/** Any driver, with calls that are late, out of order, or fail. What the port promises must hold all the same. */
export class ChaosDriver implements CacheDriver {
  readonly name: string;
  readonly chaos: Chaos;
  private listener: DriverListener | undefined;
  private wasDeaf = false;

  constructor(
    private readonly inner: CacheDriver,
    chaos: Partial<Chaos> = {},
  ) {
    this.name = `${inner.name}, with faults`;
    this.chaos = { upToMs: 0, failing: 0, deaf: false, ...chaos };
  }

  start(listener: DriverListener): Promise<void> {
    this.listener = listener;
    return this.inner.start(listener);
  }

  stop(): Promise<void> {
    return this.inner.stop();
  }

  inStep(now: number): boolean {
    if (this.chaos.deaf) {
      this.wasDeaf = true;
      return false;
    }
    if (this.wasDeaf) this.listener?.invalidatedAll();
    this.wasDeaf = false;
    return this.inner.inStep(now);
  }

  async comeIntoStep(): Promise<boolean> {
    return !this.chaos.deaf && this.inner.comeIntoStep();
  }

  read(key: string, tags: readonly string[], lease: LeaseWish): Promise<DriverRead> {
    return this.disturbed(() => this.inner.read(key, tags, lease));
  }

  write(
    key: string,
    tags: readonly string[],
    record: StoredRecord,
    versions: Versions,
    lease?: string,
  ): Promise<void> {
    return this.disturbed(() => this.inner.write(key, tags, record, versions, lease));
  }

  release(key: string, lease: string, afterMs?: number): Promise<void> {
    return this.disturbed(() => this.inner.release(key, lease, afterMs));
  }

  async invalidate(tags: readonly string[], mode: InvalidationMode): Promise<Acknowledgement> {
    await this.pause();
    const answer = await this.inner.invalidate(tags, mode);
    await this.pause();
    return answer;
  }

  explain(key: string): Promise<DriverEntry | undefined> {
    return this.inner.explain(key);
  }

  state(): DriverState {
    return this.inner.state();
  }

  private async disturbed<T>(call: () => Promise<T>): Promise<T> {
    await this.pause();
    const fails = Math.random() < this.chaos.failing;
    // Half of what fails was done all the same, and its answer was lost.
    if (fails && Math.random() < 0.5) throw cacheErrors.create('REDIS_AWAY', { data: { reason: 'chaos' } });
    const answer = await call();
    await this.pause();
    if (fails) throw cacheErrors.create('REDIS_AWAY', { data: { reason: 'chaos' } });
    return answer;
  }

  private async pause(): Promise<void> {
    if (this.chaos.upToMs > 0) await delay(Math.random() * this.chaos.upToMs);
  }
}

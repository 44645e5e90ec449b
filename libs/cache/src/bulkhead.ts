import { Ambient } from '@rookery/kernel';
import { cacheErrors } from './cache.errors.js';

export interface BulkheadOptions {
  /** Loads at the same time. @default 64 */
  readonly concurrent?: number;
  /** Loads that wait for their turn; one more is refused. @default 1024 */
  readonly waiting?: number;
}

/** A small part of what a beat may take, and of a request. */
const TURN_AFTER_MS = 5;
const insideALoad = new Ambient<Bulkhead>();

/**
 * Lets so many loads run at once, so many wait in the order they came, and refuses the rest: without Redis the database
 * gets more to do, and not a flood. A load that reads the cache itself does so in its own place, or loads that wait for
 * one another would take all places. However fast loads come, timers and sockets have their turn in between.
 */
export class Bulkhead {
  private readonly concurrent: number;
  private readonly limit: number;
  private readonly queue: (() => void)[] = [];
  private count = 0;
  private turnsAt = 0;

  constructor({ concurrent = 64, waiting = 1024 }: BulkheadOptions = {}) {
    this.concurrent = concurrent;
    this.limit = waiting;
  }

  get running(): number {
    return this.count;
  }

  get waiting(): number {
    return this.queue.length;
  }

  /** @throws RK_CACHE_OVERLOADED */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (insideALoad.get() === this) return work();
    await this.enter();
    try {
      if (performance.now() > this.turnsAt) await this.turn();
      return await insideALoad.run(this, work);
    } finally {
      const next = this.queue.shift();
      if (next) next();
      else this.count -= 1;
    }
  }

  /** What is loaded from memory comes without a turn of the event loop, and whoever reads on and on would let none come. */
  private async turn(): Promise<void> {
    this.turnsAt = Infinity;
    await new Promise(setImmediate);
    this.turnsAt = performance.now() + TURN_AFTER_MS;
  }

  private async enter(): Promise<void> {
    if (this.count < this.concurrent) {
      this.count += 1;
      return;
    }
    if (this.queue.length >= this.limit) {
      throw cacheErrors.create('OVERLOADED', {
        data: { running: this.count, waiting: this.queue.length },
        retryAfterSeconds: 1,
      });
    }
    await new Promise<void>((resolve) => this.queue.push(resolve));
  }
}

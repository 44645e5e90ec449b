import { setTimeout as delay } from 'node:timers/promises';
import type { Cache } from '../cache.js';

export interface StaleReadWatch {
  /** What was found: a read that began after an invalidation had returned, and gave what was before it. */
  readonly staleReads: readonly string[];
  readonly writes: number;
  readonly unacknowledged: number;
  readonly reads: number;
  readonly loads: number;
  /**
   * Whether an invalidation that was not acknowledged must be seen, too: so it is while all replicas have lost their server.
   * They come back one after the other: who is late cannot tell those who trust what they have already.
   */
  countsUnacknowledged: boolean;
  /** Ends it once all that is under way has come back. */
  stop(): Promise<void>;
}

export interface StaleReadWatchOptions {
  /** @default 8 */
  readonly keys?: number;
  /** Milliseconds between two writes of one writer. @default 5 */
  readonly writeEveryMs?: number;
  /** Milliseconds a load takes, at most. @default 5 */
  readonly loadMs?: number;
  /** At first. @default true */
  readonly countsUnacknowledged?: boolean;
}

/**
 * Writes rows and reads them through all caches at once, and finds each read that breaks the promise. A row is a number
 * that only grows; the caches are to have it at least as new as the newest one whose invalidation had returned before.
 */
export function watchForStaleReads(
  caches: readonly Cache[],
  options: StaleReadWatchOptions = {},
): StaleReadWatch {
  const { keys = 8, writeEveryMs = 5, loadMs = 5 } = options;
  let { countsUnacknowledged = true } = options;
  const rows = Array.from({ length: keys }, () => 0);
  const settled = Array.from({ length: keys }, () => 0);
  const staleReads: string[] = [];
  const counts = { writes: 0, unacknowledged: 0, reads: 0, loads: 0 };
  let stopped = false;

  async function write(cache: Cache): Promise<void> {
    while (!stopped) {
      const i = Math.floor(Math.random() * keys);
      const value = (rows[i]! += 1);
      counts.writes += 1;
      const { acknowledged } = await cache.invalidate([`row:${i}`]);
      if (!acknowledged) counts.unacknowledged += 1;
      if (acknowledged || countsUnacknowledged) settled[i] = Math.max(settled[i]!, value);
      await delay(Math.random() * 2 * writeEveryMs);
    }
  }

  async function read(cache: Cache, which: number): Promise<void> {
    const load = async (i: number) => {
      counts.loads += 1;
      // A database gives what was so at one moment of the load.
      await delay(Math.random() * loadMs);
      const value = rows[i]!;
      await delay(Math.random() * loadMs);
      return value;
    };
    while (!stopped) {
      const i = Math.floor(Math.random() * keys);
      const least = settled[i]!;
      const value = await cache.get(`key:${i}`, () => load(i), { tags: [`row:${i}`], ttlMs: 60_000 });
      counts.reads += 1;
      if (value < least) staleReads.push(`cache ${which} gave ${value} of row ${i} after ${least}`);
      await new Promise(setImmediate);
    }
  }

  const running = Promise.all(caches.flatMap((cache, i) => [write(cache), read(cache, i), read(cache, i)]));
  return {
    staleReads,
    get countsUnacknowledged() {
      return countsUnacknowledged;
    },
    set countsUnacknowledged(counts: boolean) {
      countsUnacknowledged = counts;
    },
    get writes() {
      return counts.writes;
    },
    get unacknowledged() {
      return counts.unacknowledged;
    },
    get reads() {
      return counts.reads;
    },
    get loads() {
      return counts.loads;
    },
    stop: async () => {
      stopped = true;
      await running;
    },
  };
}

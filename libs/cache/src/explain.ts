import type { CacheDriver, DriverEntry } from './drivers/driver.js';
import type { Entry } from './entry.js';
import { sizeOf } from './text-record.js';

export interface Explanation {
  readonly key: string;
  /** Whether this replica hears of invalidations; if not, nothing of what follows is served. */
  readonly inStep: boolean;
  readonly local: EntryState | undefined;
  readonly shared: DriverEntry | undefined;
}

export interface EntryState {
  readonly state: 'fresh' | 'stale' | 'invalidated' | 'expired';
  readonly tags: readonly string[];
  readonly etag: string;
  readonly bytes: number;
  readonly ageMs: number;
  readonly freshForMs: number;
}

export async function explanationOf(
  key: string,
  entry: Entry | undefined,
  driver: CacheDriver,
): Promise<Explanation> {
  const now = performance.now();
  const inStep = driver.inStep(now);
  const local = entry && { ...stateOf(entry, now) };
  return { key, inStep, local, shared: await driver.explain(key) };
}

function stateOf(entry: Entry, now: number): EntryState {
  const { meta, record, snapshot, writtenAt, freshUntil, keptUntil } = entry;
  const state = entry.isFresh(now)
    ? 'fresh'
    : entry.mayBeServedStale(now)
      ? 'stale'
      : now >= keptUntil
        ? 'expired'
        : 'invalidated';
  const [ageMs, freshForMs] = [Math.round(now - writtenAt), Math.max(0, Math.round(freshUntil - now))];
  return { state, tags: snapshot.tags, etag: meta.etag, bytes: sizeOf(record), ageMs, freshForMs };
}

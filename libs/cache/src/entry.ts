import { createHash } from 'node:crypto';
import type { EntryMeta, StoredRecord } from './drivers/driver.js';
import type { Snapshot } from './tag-table.js';
import { sizeOf } from './text-record.js';

export interface Lifetimes {
  /** Milliseconds during which an entry is fresh. */
  readonly ttlMs: number;
  /** Milliseconds after that, or after a soft invalidation, during which it may be served while it is loaded anew. */
  readonly staleMs: number;
}

/** Lives that began together do not end together. */
const JITTER = 0.05;
/** The last part of its life in which an entry that is read is loaded anew before it ends. */
const EARLY_SHARE = 0.1;
/** What an entry takes beside its bytes, and each tag, measured (l1.spec.ts). */
const OVERHEAD_BYTES = 1_600;
const TAG_BYTES = 150;
/** What a parsed value takes for each byte of its JSON, about. */
const PARSED_BYTES = 4;
/** In place of the value of an entry that is kept as bytes alone. */
export const UNPARSED = Symbol('unparsed');

/** An entry as this process keeps it. Times are of `performance.now()`. */
export class Entry {
  /** Whether a look before the router has let one request through, to load it anew. */
  offered = false;
  renewing = false;
  /** After a load that failed, the next one waits until then. */
  renewAfter = 0;
  readonly earlyAt: number;

  constructor(
    readonly record: StoredRecord,
    readonly snapshot: Snapshot,
    readonly writtenAt: number,
    readonly freshUntil: number,
    readonly keptUntil: number,
    /** Parsed once for all who read it; or `UNPARSED`. */
    readonly value: unknown,
  ) {
    const { meta } = record;
    // XFetch (Vattani, Chierichetti, Lowenstein, 2015), drawn once for each entry and replica: the dearer the load, the
    // earlier; and never before the last tenth of its life.
    const lead = Math.min(meta.loadMs * -Math.log(1 - Math.random()), meta.freshMs * EARLY_SHARE);
    this.earlyAt = freshUntil - lead;
  }

  get meta(): EntryMeta {
    return this.record.meta;
  }

  get body(): Buffer {
    return this.record.body;
  }

  get isParsed(): boolean {
    return this.value !== UNPARSED;
  }

  get bytes(): number {
    const content = sizeOf(this.record) * (this.isParsed ? 1 + PARSED_BYTES : 1);
    return OVERHEAD_BYTES + content + this.snapshot.tagCount * TAG_BYTES;
  }

  /** Whether nobody loads it anew, nor failed to a moment ago. */
  mayBeRenewed(now: number): boolean {
    return !this.renewing && now >= this.renewAfter;
  }

  isFresh(now: number): boolean {
    return now < this.freshUntil && this.snapshot.isCurrent;
  }

  mayBeServedStale(now: number): boolean {
    return now < this.keptUntil && this.snapshot.mayBeServedStale;
  }
}

/** Holds the snapshot for the entry. */
export function entryOf(
  record: StoredRecord,
  { ageMs, isStale }: { readonly ageMs: number; readonly isStale: boolean },
  snapshot: Snapshot,
  now: number,
  value: unknown = UNPARSED,
): Entry {
  const { meta } = record;
  const writtenAt = now - ageMs;
  const freshUntil = isStale ? Math.min(now, writtenAt + meta.freshMs) : writtenAt + meta.freshMs;
  const keptUntil = writtenAt + meta.keptMs;
  return new Entry(record, snapshot.hold(), writtenAt, freshUntil, keptUntil, value);
}

/** Strong: the same bytes have the same, on every replica. */
export function etagOf(body: Buffer | string): string {
  return `"${createHash('sha1').update(body).digest('base64url').slice(0, 22)}"`;
}

/** Lifetimes ±5%. */
export function jittered({ ttlMs, staleMs }: Lifetimes): { freshMs: number; keptMs: number } {
  const freshMs = ttlMs * (1 - JITTER + Math.random() * 2 * JITTER);
  return { freshMs, keptMs: freshMs + staleMs };
}

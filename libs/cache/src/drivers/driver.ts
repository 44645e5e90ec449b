import type { InvalidationMode } from '../tag-table.js';

/** What is kept of an entry beside its bytes. */
export interface EntryMeta {
  readonly etag: string;
  /** Milliseconds from its writing during which it is fresh, and during which it may be served at all. */
  readonly freshMs: number;
  readonly keptMs: number;
  /** Milliseconds that the load took. */
  readonly loadMs: number;
  readonly tags: readonly string[];
  /** The load found nothing. */
  readonly negative?: 'null' | 'undefined';
  readonly contentType?: string;
  readonly statusCode?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface StoredRecord {
  readonly meta: EntryMeta;
  readonly body: Buffer;
  /** The body as text, where that is what there is: to ask for `body` then makes it. JSON as `JSON.stringify` writes it. */
  readonly text?: string | undefined;
}

/** The versions of an entry's tags before its load began; only its driver can read them. */
export type Versions = string;

export interface DriverRead {
  readonly record?: StoredRecord & {
    readonly ageMs: number;
    /** `soft`: a tag was invalidated softly since it was loaded. What was invalidated hard is not given at all. */
    readonly invalidated: 'no' | 'soft';
  };
  /** `undefined` where versions could not be had: then nothing can be written. */
  readonly versions?: Versions;
  /** Given to one reader among all replicas of what is not there, or is not fresh: he is to load it. */
  readonly lease?: string;
}

/** When a reader is to be given the lease: when there is nothing fresh, or in any case, since it wants to load anew. */
export type LeaseWish = 'unless-fresh' | 'always';

export interface DriverListener {
  /** Tags were invalidated by any replica. When it has returned, the replica counts as one that has dropped them. */
  invalidated(tags: readonly string[], mode: InvalidationMode): void;
  /** Something may have been missed, or all was invalidated. */
  invalidatedAll(): void;
}

export interface Acknowledgement {
  /** Whether it is recorded, and no replica serves what it made stale. */
  readonly acknowledged: boolean;
}

/**
 * Port: what replicas share. Every driver passes the contract suite in `testing`.
 *
 * - **Versions.** `read` gives the versions of the tags as they are at that moment, and a record only if its own are the
 *   same. An unknown version is a new one: what was evicted or lost never makes an old record valid. `write` with versions
 *   that have changed meanwhile stores nothing that a `read` would give.
 * - **In step.** While `inStep` is true, the listener has been told of every invalidation that has been acknowledged. A
 *   driver that cannot know says false: then neither memory nor record is used. When it is true again after having been
 *   false, the listener has been told of what was acknowledged meanwhile, or `invalidatedAll` was called.
 * - **Acknowledged** means: each replica that is in step has been told, and each that was not told is not in step.
 * - **Bounded.** No call takes longer than the driver's deadline, `invalidate` no longer than its own.
 */
export interface CacheDriver {
  readonly name: string;
  /** Begins to listen. A driver whose server is away resolves all the same, and goes on trying. */
  start(listener: DriverListener): Promise<void>;
  stop(): Promise<void>;
  /** `now` is of `performance.now()`. Costs nothing. */
  inStep(now: number): boolean;
  /** Tries to be in step again, within the deadline. */
  comeIntoStep(): Promise<boolean>;
  /**
   * @throws RK_CACHE_REDIS_AWAY (or what a driver throws for it) when there is no answer within the deadline
   */
  read(key: string, tags: readonly string[], lease: LeaseWish): Promise<DriverRead>;
  /** Stores the record and gives the lease back. */
  write(
    key: string,
    tags: readonly string[],
    record: StoredRecord,
    versions: Versions,
    lease?: string,
  ): Promise<void>;
  /** Gives a lease back without a record, at once or after so many milliseconds. */
  release(key: string, lease: string, afterMs?: number): Promise<void>;
  /** `'*'` among the tags is every entry. Never rejects: what cannot be recorded now is recorded later. */
  invalidate(tags: readonly string[], mode: InvalidationMode): Promise<Acknowledgement>;
  /** For operators: what is kept of the key, by this driver; `undefined` if nothing, or if nobody answers. */
  explain(key: string): Promise<DriverEntry | undefined>;
  /** Whether the server answers; shown by the probe. */
  state(): DriverState;
}

export interface DriverEntry {
  readonly state: 'valid' | 'soft' | 'invalidated';
  readonly tags: readonly string[];
  readonly etag: string;
  readonly bytes: number;
  readonly ageMs: number;
}

export interface DriverState {
  readonly status: 'up' | 'away';
  readonly details: Readonly<Record<string, unknown>>;
}

/** The tag that every entry carries. */
export const EVERYTHING = '*';

import { cacheErrors } from './cache.errors.js';
import type { EntryMeta, StoredRecord } from './drivers/driver.js';
import { etagOf, jittered } from './entry.js';
import { TextRecord } from './text-record.js';

export interface LoadContext {
  /** Aborted when the load has taken too long. */
  readonly signal?: AbortSignal;
}

/** Bytes for HTTP, with the little that goes out beside them. */
export interface LoadedEntry {
  readonly body: Buffer | string;
  readonly contentType?: string;
  /** @default 200 */
  readonly statusCode?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether it says that there is nothing: kept for `negativeTtlMs` only. */
  readonly negative?: boolean;
}

/** How a value becomes bytes. @default JSON */
export interface Codec<T> {
  encode(value: T): Buffer | string;
  decode(body: Buffer): T;
}

export interface CacheReadOptions<T = unknown> {
  /** What the entry is made of: to invalidate one of them ends it. At least one, at most 32. */
  readonly tags: readonly string[];
  /** Milliseconds during which it is fresh, ±5%. The tags keep it right; this bounds what a forgotten tag can do. */
  readonly ttlMs: number;
  /**
   * Milliseconds after `ttlMs`, or after a soft invalidation, during which the old value is served while a new one is
   * loaded, and when that fails. @default 0
   */
  readonly staleMs?: number;
  /** Milliseconds for which it is kept that there is nothing (`null`, `undefined`). @default it is not kept */
  readonly negativeTtlMs?: number;
  readonly codec?: Codec<T>;
}

export interface Loaded {
  readonly record: StoredRecord;
  /** Whether it is to be kept at all. */
  readonly kept: boolean;
}

const EMPTY = Buffer.alloc(0);

/** @throws RK_CACHE_NOT_SERIALIZABLE */
export function recordOfValue<T>(
  key: string,
  value: T,
  loadMs: number,
  options: CacheReadOptions<T>,
): Loaded {
  if (value === null || value === undefined) {
    const negative = value === null ? 'null' : 'undefined';
    return record(EMPTY, { negative, loadMs }, options);
  }
  return record(contentOf(key, value, options), { loadMs }, options);
}

export function recordOfEntry<T>(
  loaded: Buffer | string | LoadedEntry,
  loadMs: number,
  options: CacheReadOptions<T>,
): Loaded {
  const entry: LoadedEntry =
    typeof loaded === 'string' || Buffer.isBuffer(loaded) ? { body: loaded } : loaded;
  const { body, contentType, statusCode, headers, negative } = entry;
  const meta = {
    loadMs,
    ...(contentType !== undefined && { contentType }),
    ...(statusCode !== undefined && { statusCode }),
    ...(headers !== undefined && { headers }),
    ...(negative === true && { negative: 'undefined' as const }),
  };
  return record(Buffer.isBuffer(body) ? body : Buffer.from(body), meta, options);
}

/** The value of a record, frozen: what one caller did to it, all others would see. */
export function valueOf<T>(record: StoredRecord, options: CacheReadOptions<T>): T {
  const { text } = record;
  // What has a text says something, and its metadata need not be asked.
  const negative = text === undefined ? record.meta.negative : undefined;
  if (negative !== undefined) return (negative === 'null' ? null : undefined) as T;
  if (options.codec) return options.codec.decode(record.body);
  return deepFreeze(JSON.parse(text ?? record.body.toString()) as T);
}

function record<T>(
  content: Buffer | string,
  meta: Omit<EntryMeta, 'etag' | 'freshMs' | 'keptMs' | 'tags'>,
  { tags, ttlMs, staleMs = 0, negativeTtlMs = 0 }: CacheReadOptions<T>,
): Loaded {
  const lifetimes = meta.negative
    ? jittered({ ttlMs: negativeTtlMs, staleMs: 0 })
    : jittered({ ttlMs, staleMs });
  const whole = { ...meta, ...lifetimes, tags, etag: etagOf(content) };
  return {
    record: typeof content === 'string' ? new TextRecord(whole, content) : { body: content, meta: whole },
    kept: lifetimes.keptMs > 0,
  };
}

/** Text if it is JSON. */
function contentOf<T>(key: string, value: T, { codec }: CacheReadOptions<T>): Buffer | string {
  try {
    if (codec) {
      const encoded = codec.encode(value);
      return Buffer.isBuffer(encoded) ? encoded : Buffer.from(encoded);
    }
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) throw new TypeError(`a ${typeof value} has no JSON`);
    return text;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw cacheErrors.create('NOT_SERIALIZABLE', { data: { key, reason }, cause });
  }
}

/** What JSON gives. Not by `Object.values`, which makes a list for each object. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) value.forEach(deepFreeze);
  else for (const name in value) deepFreeze(value[name]);
  return Object.freeze(value);
}

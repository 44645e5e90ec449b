import type { ReadStatus } from './cache.metrics.js';
import { shown, type CachedEntry } from './cached-entry.js';
import type { StoredRecord } from './drivers/driver.js';
import { UNPARSED, type Entry } from './entry.js';
import {
  recordOfEntry,
  recordOfValue,
  valueOf,
  type CacheReadOptions,
  type LoadContext,
  type Loaded,
  type LoadedEntry,
} from './loaded.js';

/** What is to be read, how it is loaded when it is not there, and what the reader is given of it. */
export interface Work<T = unknown> {
  readonly key: string;
  readonly tags: readonly string[];
  load(signal: AbortSignal): Promise<Loaded>;
  /** The value to be kept beside the record; `UNPARSED` if readers want bytes. */
  parse(record: StoredRecord): unknown;
  give(entry: Entry, status: ReadStatus): T;
}

export class ValueWork<T> implements Work<T> {
  constructor(
    readonly key: string,
    private readonly loadValue: (context: LoadContext) => Promise<T>,
    private readonly options: CacheReadOptions<T>,
  ) {}

  get tags(): readonly string[] {
    return this.options.tags;
  }

  async load(signal: AbortSignal): Promise<Loaded> {
    const { loadValue, key, options } = this;
    const began = performance.now();
    const value = await loadValue({ signal });
    return recordOfValue(key, value, performance.now() - began, options);
  }

  parse(record: StoredRecord): unknown {
    return valueOf(record, this.options);
  }

  give(entry: Entry): T {
    return (entry.isParsed ? entry.value : this.parse(entry.record)) as T;
  }
}

export class EntryWork implements Work<CachedEntry> {
  constructor(
    readonly key: string,
    private readonly loadEntry: (context: LoadContext) => Promise<Buffer | string | LoadedEntry>,
    private readonly options: CacheReadOptions,
  ) {}

  get tags(): readonly string[] {
    return this.options.tags;
  }

  async load(signal: AbortSignal): Promise<Loaded> {
    const { loadEntry, options } = this;
    const began = performance.now();
    const loaded = await loadEntry({ signal });
    return recordOfEntry(loaded, performance.now() - began, options);
  }

  parse(): unknown {
    return UNPARSED;
  }

  give(entry: Entry, status: ReadStatus): CachedEntry {
    return shown(entry, status, performance.now());
  }
}

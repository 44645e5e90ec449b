import { LRUCache } from 'lru-cache';
import type { Entry } from './entry.js';

/** One entry may take this share of the memory; a larger one is read from the driver each time. */
const LARGEST_SHARE = 1 / 8;

/** The entries in this process, the least recently used of which give way. */
export class L1 {
  private readonly entries: LRUCache<string, Entry>;
  private readonly largest: number;

  constructor(maxBytes: number) {
    this.largest = maxBytes * LARGEST_SHARE;
    this.entries = new LRUCache<string, Entry>({
      maxSize: maxBytes,
      dispose: (entry) => entry.snapshot.release(),
    });
  }

  get size(): number {
    return this.entries.size;
  }

  get bytes(): number {
    return this.entries.calculatedSize;
  }

  get(key: string): Entry | undefined {
    return this.entries.get(key);
  }

  /** Without counting as a use. */
  look(key: string): Entry | undefined {
    return this.entries.peek(key);
  }

  /** Takes the entry, and its snapshot with it: also when it is too large to be kept. */
  put(key: string, entry: Entry): void {
    const size = entry.bytes + 2 * key.length;
    if (size <= this.largest) {
      this.entries.set(key, entry, { size });
      return;
    }
    // What was there before is older.
    this.entries.delete(key);
    entry.snapshot.release();
  }

  delete(key: string): void {
    this.entries.delete(key);
  }

  clear(): void {
    this.entries.clear();
  }
}

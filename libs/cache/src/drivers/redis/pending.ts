import type { InvalidationMode } from '../../tag-table.js';
import { EVERYTHING } from '../driver.js';

interface Pending {
  readonly tag: string;
  readonly mode: InvalidationMode;
}

/** More tags than these are remembered as everything. */
const MOST_TAGS = 10_000;
const AT_ONCE = 500;

/** Invalidations that could not be recorded yet. A tag that is both is hard. */
export class PendingInvalidations {
  private readonly byTag = new Map<string, Pending>();

  get size(): number {
    return this.byTag.size;
  }

  add(tags: readonly string[], mode: InvalidationMode): void {
    if (this.byTag.has(EVERYTHING)) tags = [EVERYTHING];
    for (const tag of tags) {
      const hard = mode === 'hard' || this.byTag.get(tag)?.mode === 'hard' || tag === EVERYTHING;
      this.byTag.set(tag, { tag, mode: hard ? 'hard' : 'soft' });
    }
    if (this.byTag.size <= MOST_TAGS) return;
    this.byTag.clear();
    this.byTag.set(EVERYTHING, { tag: EVERYTHING, mode: 'hard' });
  }

  /** Some of them, of one mode; they stay until they are `recorded`. */
  next(): readonly Pending[] {
    const all = [...this.byTag.values()];
    return all.filter(({ mode }) => mode === all[0]!.mode).slice(0, AT_ONCE);
  }

  /** One that was added again in the meantime is pending still. */
  recorded(some: readonly Pending[]): void {
    for (const one of some) if (this.byTag.get(one.tag) === one) this.byTag.delete(one.tag);
  }
}

import { LRUCache } from 'lru-cache';

/** Texts remembered for each name there is, so that a round of rare ones does not push the frequent ones out. */
const CANDIDATES_PER_NAME = 4;

/**
 * Names for statements whose text is made at run time, so that PostgreSQL parses and plans the frequent ones once per
 * connection. A server keeps what was named until the connection ends: so at most `max` names are ever given, to texts
 * that were asked for `worthAfter` times while they were among the latest; the others stay unnamed.
 */
export class StatementNames {
  private readonly names = new Map<string, string>();
  private readonly candidates: LRUCache<string, number>;

  constructor(
    private readonly prefix: string,
    private readonly max = 256,
    private readonly worthAfter = 3,
  ) {
    this.candidates = new LRUCache({ max: max * CANDIDATES_PER_NAME });
  }

  nameOf(text: string): string | undefined {
    const known = this.names.get(text);
    if (known !== undefined || this.names.size >= this.max) return known;
    const uses = (this.candidates.get(text) ?? 0) + 1;
    if (uses < this.worthAfter) {
      this.candidates.set(text, uses);
      return undefined;
    }
    this.candidates.delete(text);
    const name = `${this.prefix}.${this.names.size}`;
    this.names.set(text, name);
    return name;
  }
}

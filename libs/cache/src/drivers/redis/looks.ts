import type { RedisConnection } from './connection.js';
import type { Keys } from './keys.js';

/** What lay in Redis at one moment. */
export interface Seen {
  /** Under the name of the entry. */
  readonly text: string | null;
  /** Of everything, and of each tag. */
  readonly versions: readonly (string | null)[];
  /** Milliseconds that are left of the deadline. */
  readonly leftMs: number;
}

/** An entry that is to be looked at, and whoever waits for it. */
export interface Look<T> {
  readonly key: string;
  readonly tags: readonly string[];
  readonly resolve: (made: T | Promise<T>) => void;
  readonly reject: (error: unknown) => void;
}

/** With more at once, each would wait too long for all. */
const MOST_AT_ONCE = 32;

/**
 * Looks at entries and at the versions of their tags, for one Redis alone. Those of one turn of the loop go by one MGET:
 * that costs both ends less than a GET for each, and what they have in common is asked for once. One command sees one moment.
 */
export class Looks<T> {
  private waiting: Look<T>[] = [];

  constructor(
    private readonly connection: RedisConnection,
    private readonly keys: Keys,
    /** What each look is to give. */
    private readonly make: (look: Look<T>, seen: Seen) => T | Promise<T>,
  ) {}

  /** Settles it within the deadline. */
  look(look: Look<T>): void {
    const count = this.waiting.push(look);
    if (count === 1) process.nextTick(this.send);
    else if (count === MOST_AT_ONCE) this.send();
  }

  private readonly send = (): void => {
    const looks = this.waiting;
    // They were enough to go before.
    if (looks.length === 0) return;
    this.waiting = [];
    const { connection, keys } = this;
    const began = performance.now();
    const names: string[] = [];
    for (const { key } of looks) names.push(keys.entry(key));
    const everything = names.push(keys.everything) - 1;
    const places = new Map<string, number>();
    for (const { tags } of looks) {
      for (const tag of tags) {
        if (!places.has(tag)) places.set(tag, names.push(keys.version(tag)) - 1);
      }
    }
    const seen = (texts: readonly (string | null)[]) => {
      const leftMs = connection.deadlineMs - (connection.heardAt - began);
      for (const [i, look] of looks.entries()) {
        const versions = [texts[everything]!];
        for (const tag of look.tags) versions.push(texts[places.get(tag)!]!);
        this.settle(look, { text: texts[i]!, versions, leftMs });
      }
    };
    connection.ask(
      () => connection.textsOf(names),
      seen,
      (error) => {
        for (const { reject } of looks) reject(error);
      },
    );
  };

  private settle(look: Look<T>, seen: Seen): void {
    try {
      look.resolve(this.make(look, seen));
    } catch (error) {
      look.reject(error);
    }
  }
}

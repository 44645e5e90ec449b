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

interface Look {
  readonly key: string;
  readonly tags: readonly string[];
  readonly seen: (seen: Seen) => void;
  readonly failed: (error: unknown) => void;
}

/** With more at once, each would wait too long for all. */
const MOST_AT_ONCE = 32;

/**
 * Looks at entries and at the versions of their tags, for one Redis alone. Those of one turn of the loop go by one MGET:
 * that costs both ends less than a GET for each, and what they have in common is asked for once. One command sees one moment.
 */
export class Looks {
  private waiting: Look[] = [];

  constructor(
    private readonly connection: RedisConnection,
    private readonly keys: Keys,
  ) {}

  /** Calls `seen` or `failed`, within the deadline. */
  look(look: Look): void {
    const count = this.waiting.push(look);
    if (count === 1) process.nextTick(this.send);
    else if (count === MOST_AT_ONCE) this.send();
  }

  private readonly send = (): void => {
    const looks = this.waiting;
    // They were enough to go before.
    if (looks.length === 0) return;
    this.waiting = [];
    const began = performance.now();
    const places = new Map<string, number>();
    const names = looks.map(({ key }) => this.keys.entry(key));
    const everything = names.push(this.keys.everything) - 1;
    for (const { tags } of looks) {
      for (const tag of tags) {
        if (!places.has(tag)) places.set(tag, names.push(this.keys.version(tag)) - 1);
      }
    }
    this.connection
      .call((connection) => connection.textsOf(names))
      .then(
        (texts) => {
          const leftMs = this.connection.deadlineMs - (performance.now() - began);
          for (const [i, { tags, seen }] of looks.entries()) {
            const versions = [texts[everything]!];
            for (const tag of tags) versions.push(texts[places.get(tag)!]!);
            seen({ text: texts[i]!, versions, leftMs });
          }
        },
        (error: unknown) => {
          for (const { failed } of looks) failed(error);
        },
      );
  };
}

import { setTimeout as pause } from 'node:timers/promises';
import { newId, SLOT_COUNT, type Id } from '@rookery/kernel';
import {
  defineMigration,
  prepared,
  type Migration,
  type Shards,
  type ShardTransaction,
} from '@rookery/sharding';
import { z } from 'zod';
import { defineEvent, type EventDefinition } from '../definition/define-event.js';
import type { ReceivedEvent } from '../definition/stored-event.js';

/** A key was written: its version grows by one with each write. */
export const recorded: EventDefinition<{ key: string; version: number; writer: number }> = defineEvent({
  type: 'rookery.recorder.written',
  key: ({ key }) => key,
  schema: z.object({ key: z.string(), version: z.number().int(), writer: z.number().int() }),
});

/** Two tables: what was written and acknowledged, and the order in which each group's handler saw it. */
export const recorderSchema: Migration = defineMigration({
  id: 'rookery-recorder-0001',
  up: `
CREATE TABLE recorder_key (key uuid PRIMARY KEY, version int NOT NULL);
SELECT rookery_shard_table('recorder_key', 'rookery_slot_of(key)', 'key');
CREATE TABLE recorder_effect (
  grp text NOT NULL, key uuid NOT NULL, place bigint GENERATED ALWAYS AS IDENTITY, version int NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp(), published_at timestamptz NOT NULL);
SELECT rookery_shard_table('recorder_effect', 'rookery_slot_of(key)', 'grp, key, place');
`,
});

/** What is wrong between what was written and what a group has seen. */
export interface Verdict {
  /** Versions that were acknowledged, over all keys. */
  readonly written: number;
  readonly seen: number;
  readonly lost: number;
  readonly duplicated: number;
  /** Neighbours of one key that were seen in the wrong order. */
  readonly inverted: number;
  /** Longest time in which the group saw nothing, in milliseconds. */
  readonly longestGapMs: number;
  /** Time from the write to its effect, in milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Some of what is wrong, each with its key and versions. */
  readonly examples: readonly string[];
}

const bump = prepared(
  'recorder.bump',
  `INSERT INTO recorder_key AS k (key, version) VALUES ($1, 1)
   ON CONFLICT (key) DO UPDATE SET version = k.version + 1 RETURNING version`,
);
const saw = prepared(
  'recorder.saw',
  'INSERT INTO recorder_effect (grp, key, version, published_at) VALUES ($1, $2, $3, $4)',
);
const sawMany = prepared(
  'recorder.saw-many',
  `INSERT INTO recorder_effect (grp, key, version, published_at)
   SELECT $1, key, version, at FROM unnest($2::uuid[], $3::int[], $4::timestamptz[]) WITH ORDINALITY AS given (key, version, at, place) ORDER BY place`,
);

/** Keys that are told of by name, and versions of each. */
const EXAMPLES = 5;

export interface WriteLoad {
  readonly shards: Shards;
  readonly keys: readonly Id[];
  readonly writers: number;
  /** Writes to make in all; endless without it. */
  readonly writes?: number;
  /** Most writes that are begun in a second; as many as can be without it. */
  readonly perSecond?: number;
  /** Ends the load. */
  readonly signal?: AbortSignal;
  /** Longest a writer dawdles in its transaction, before or after it publishes, in milliseconds. @default 8 */
  readonly dawdleMs?: number;
}

/** Keys spread over all slots. */
export function recorderKeys(count: number): Id[] {
  return Array.from({ length: count }, (_, i) => newId(Math.floor(((i + 0.5) * SLOT_COUNT) / count)));
}

/**
 * Writers over keys: each write takes the key's next version and publishes it, in one transaction that often dawdles, so
 * that transactions commit in another order than they began. A write that fails is not counted: whether it stands is read
 * from the table in the end.
 * @returns how many were acknowledged, and how many failed
 */
export async function writeKeys(load: WriteLoad): Promise<{ acknowledged: number; failed: number }> {
  const { shards, keys, writers, writes = Infinity, perSecond, signal, dawdleMs = 8 } = load;
  let begun = 0;
  let next = performance.now();
  let acknowledged = 0;
  let failed = 0;
  const dawdle = (share: number): Promise<void> | undefined =>
    Math.random() < share && dawdleMs > 0 ? pause(Math.random() * dawdleMs) : undefined;
  /** What a fault has kept from being begun is not made up for. */
  const turn = async (): Promise<void> => {
    if (perSecond === undefined) return;
    next = Math.max(next + 1_000 / perSecond, performance.now() - 1_000 / perSecond);
    const wait = next - performance.now();
    if (wait > 0) await pause(wait);
  };
  const writer = async (number: number): Promise<void> => {
    while (begun < writes && !signal?.aborted) {
      begun += 1;
      await turn();
      const key = keys[Math.floor(Math.random() * keys.length)]!;
      try {
        await shards.transaction(key, async (tx) => {
          await dawdle(0.3);
          const [row] = await tx.query<{ version: number }>(bump(key));
          tx.publish(recorded({ key, version: row!.version, writer: number }));
          await dawdle(0.2);
        });
        acknowledged += 1;
      } catch {
        // Faults are what the load is for; the verdict counts what stands.
        failed += 1;
        await pause(5);
      }
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, number) => writer(number)));
  return { acknowledged, failed };
}

/** The recorder's handlers. */
export const record = {
  one:
    (group: string) =>
    async (event: ReceivedEvent<{ key: string; version: number }>, tx: ShardTransaction) => {
      tx.send(saw(group, event.data.key, event.data.version, event.publishedAt));
    },
  many:
    (group: string) =>
    async (events: readonly ReceivedEvent<{ key: string; version: number }>[], tx: ShardTransaction) => {
      tx.send(
        sawMany(
          group,
          events.map(({ data }) => data.key),
          events.map(({ data }) => data.version),
          events.map(({ publishedAt }) => publishedAt),
        ),
      );
    },
};

/**
 * Waits until a group has seen as many versions as stand.
 * @param keys only these; all by default
 * @returns whether it has; after `limitMs` the verdict says what is missing
 * @throws what the shards say, once `limitMs` have passed: until then one that is away is asked again
 */
export async function untilSeen(
  shards: Shards,
  group: string,
  limitMs: number,
  keys?: readonly string[],
): Promise<boolean> {
  const since = performance.now();
  for (;;) {
    const over = performance.now() - since > limitMs;
    try {
      const lists = await shards.scatter<{ missing: number }>({
        text: `SELECT ((SELECT coalesce(sum(version), 0) FROM recorder_key WHERE $2::uuid[] IS NULL OR key = ANY($2::uuid[]))
                 - (SELECT count(DISTINCT (key, version)) FROM recorder_effect
                    WHERE grp = $1 AND ($2::uuid[] IS NULL OR key = ANY($2::uuid[]))))::int AS missing`,
        values: [group, keys ?? null],
      });
      if (lists.flat().every(({ missing }) => missing <= 0)) return true;
    } catch (error) {
      if (over) throw error;
    }
    if (over) return false;
    await pause(25);
  }
}

/**
 * Compares what stands with what a group has seen.
 * @param keys only these; all by default
 */
export async function verdictOn(shards: Shards, group: string, keys?: readonly string[]): Promise<Verdict> {
  const stand = (
    await shards.scatter<{ key: string; version: number }>({
      text: 'SELECT key, version FROM recorder_key WHERE $1::uuid[] IS NULL OR key = ANY($1::uuid[])',
      values: [keys ?? null],
    })
  ).flat();
  const effects = (
    await shards.scatter<{ key: string; version: number; at: number; took: number }>({
      text: `SELECT key, version, (extract(epoch FROM seen_at) * 1000)::float8 AS at,
               (extract(epoch FROM seen_at - published_at) * 1000)::float8 AS took
             FROM recorder_effect WHERE grp = $1 AND ($2::uuid[] IS NULL OR key = ANY($2::uuid[])) ORDER BY place`,
      values: [group, keys ?? null],
    })
  ).flat();
  const seen = new Map<string, number[]>();
  for (const { key, version } of effects) {
    const versions = seen.get(key);
    if (versions) versions.push(version);
    else seen.set(key, [version]);
  }
  const examples: string[] = [];
  let [written, lost, duplicated, inverted] = [0, 0, 0, 0];
  for (const { key, version } of stand) {
    const versions = seen.get(key) ?? [];
    const wrong = wrongAmong(version, versions);
    written += version;
    lost += wrong.lost.length;
    duplicated += wrong.duplicated.length;
    inverted += wrong.inverted.length;
    for (const [what, list] of Object.entries(wrong)) {
      if (list.length > 0 && examples.length < EXAMPLES) {
        examples.push(`${what} of ${key} in group ${group}: ${list.slice(0, EXAMPLES).join(', ')}`);
      }
    }
  }
  const times = effects.map(({ at }) => at).sort((a, b) => a - b);
  const took = effects.map((effect) => effect.took).sort((a, b) => a - b);
  return {
    written,
    seen: effects.length,
    lost,
    duplicated,
    inverted,
    longestGapMs: times.reduce((gap, at, i) => (i === 0 ? 0 : Math.max(gap, at - times[i - 1]!)), 0),
    p50Ms: took[Math.floor(took.length * 0.5)] ?? 0,
    p99Ms: took[Math.floor(took.length * 0.99)] ?? 0,
    examples,
  };
}

/** Versions 1 to `last` of one key against those that were seen, in the order they were. */
function wrongAmong(last: number, seen: readonly number[]) {
  const distinct = new Set(seen);
  const again = new Set<number>();
  const duplicated = seen.filter((version) => again.size === again.add(version).size);
  const all = Array.from({ length: last }, (_, i) => i + 1);
  const inverted = seen.flatMap((version, i) =>
    i > 0 && version < seen[i - 1]! ? [`${seen[i - 1]!} before ${version}`] : [],
  );
  return { lost: all.filter((version) => !distinct.has(version)), duplicated, inverted };
}

import { prepared, type Shards } from '@rookery/sharding';
import { eventsErrors } from '../events.errors.js';
import { notify } from '../groups/groups.sql.js';

/** The first parked event of a key: what keeps all others of the key waiting. */
export interface ParkedHead {
  readonly shard: string;
  readonly group: string;
  readonly topic: string;
  readonly key: string;
  readonly id: string;
  readonly type: string;
  readonly version: number;
  /** `waiting` for its next try; `held` until somebody says replay or skip; `skipped`: it waits for nothing. */
  readonly state: 'waiting' | 'held' | 'skipped';
  /** Tries since it was parked, the one that parked it included. */
  readonly attempts: number;
  readonly failedAt: Date | null;
  readonly retryAt: Date;
  readonly code: string | null;
  /** First line of the error. */
  readonly error: string | null;
  /** Events of the key that wait behind it. */
  readonly behind: number;
}

/** A parked event in full. */
export interface ParkedInFull extends ParkedHead {
  readonly slot: number;
  readonly publishedAt: Date;
  readonly parkedAt: Date;
  /** Its place in the log, or its offset. */
  readonly position: string;
  readonly headers: Readonly<Record<string, string>> | null;
  /** As it was stored; JSON where it came from this site. */
  readonly payload: Buffer;
  /** With its stack and its causes. */
  readonly errorInFull: string | null;
}

export interface ParkedList {
  /** Those that wait for a person first, then by their last failure, newest first. */
  readonly heads: readonly ParkedHead[];
  /** Keys that are parked, shown or not. */
  readonly keys: number;
}

/** Which parked keys are meant: those of one key, of one event, or all of the group. */
export type ParkedChoice = { readonly key: string } | { readonly id: string } | 'all';

const HEAD = `p.grp AS "group", p.topic, p.key, p.id, p.type, p.version, p.state, p.attempts, p.failed_at AS "failedAt", p.retry_at AS "retryAt",
  p.code, split_part(p.error, E'\\n', 1) AS error,
  (SELECT count(*) FROM rookery_parked b WHERE b.grp = p.grp AND b.topic = p.topic AND b.key = p.key
     AND b.place > p.place AND b.state <> 'skipped')::int AS behind`;
const FIRST_OF_KEYS = `(SELECT DISTINCT ON (grp, topic, key) * FROM rookery_parked WHERE ($1::text IS NULL OR grp = $1) AND state <> 'skipped'
  AND ($2::text IS NULL OR key = $2) ORDER BY grp, topic, key, place) p`;

/** $1 group, null: all · $2 key, null: all · $3 most */
const heads = prepared(
  'rookery.operations.parked-heads',
  `SELECT ${HEAD} FROM ${FIRST_OF_KEYS}
   ORDER BY p.state = 'held' DESC, p.failed_at DESC NULLS LAST, p.id LIMIT $3`,
);

const keyCount = prepared(
  'rookery.operations.parked-key-count',
  `SELECT count(*)::int AS keys FROM ${FIRST_OF_KEYS}`,
);

const inFull = prepared(
  'rookery.operations.parked-in-full',
  `SELECT ${HEAD}, p.shard_slot AS slot, p.published_at AS "publishedAt", p.parked_at AS "parkedAt", p.position, p.headers,
     p.payload, p.error AS "errorInFull"
   FROM rookery_parked p WHERE p.id = $1::uuid AND ($2::text IS NULL OR p.grp = $2) ORDER BY p.grp`,
);

const headOfEvent = prepared(
  'rookery.operations.parked-head-of-event',
  `SELECT ${HEAD} FROM rookery_parked given JOIN rookery_parked p ON p.grp = given.grp AND p.topic = given.topic AND p.key = given.key
   WHERE given.id = $1::uuid AND given.grp = $2
     AND (p.id = given.id AND given.state = 'skipped' OR p.state <> 'skipped' AND given.state <> 'skipped')
   ORDER BY p.place LIMIT 1`,
);

const dueAgain = prepared(
  'rookery.operations.parked-due-again',
  `UPDATE rookery_parked SET state = 'waiting', attempts = 0, retry_at = now() WHERE grp = $1 AND id = ANY($2::uuid[])`,
);

const skip = prepared(
  'rookery.operations.parked-skip',
  `UPDATE rookery_parked p SET state = 'skipped' WHERE p.grp = $1 AND p.id = $2::uuid AND p.state <> 'skipped' RETURNING ${HEAD}`,
);

/** What is parked, one entry for each key. */
export async function parkedHeads(
  shards: Shards,
  group: string | undefined,
  most: number,
): Promise<ParkedList> {
  return headsOf(shards, group, undefined, most);
}

/** A parked event, in each group where it is. @throws RK_EVENTS_NOT_PARKED */
export async function parkedInFull(shards: Shards, id: string, group?: string): Promise<ParkedInFull[]> {
  const found: ParkedInFull[] = [];
  for (const shard of shards.shardNames) {
    const rows = await shards.queryShard<
      Omit<ParkedInFull, 'shard' | 'headers'> & { headers: string | null }
    >(shard, inFull(id, group ?? null));
    for (const row of rows) found.push({ ...row, shard, headers: headersOf(row.headers) });
  }
  if (found.length === 0) throw notParked(group ?? '(any)', id);
  return found;
}

/**
 * What `replayParked` would set due. Of an event that waits behind another one that is the other one: nothing of a key is
 * handled before what came before it. One that was skipped is meant itself, and takes its old place.
 * @throws RK_EVENTS_NOT_PARKED unless all are meant
 */
export async function chosenHeads(
  shards: Shards,
  group: string,
  choice: ParkedChoice,
): Promise<ParkedHead[]> {
  if (choice === 'all') return [...(await headsOf(shards, group, undefined, null)).heads];
  if ('key' in choice) {
    const { heads: ofKey } = await headsOf(shards, group, choice.key, null);
    if (ofKey.length === 0) throw notParked(group, `the key ${choice.key}`);
    return [...ofKey];
  }
  for (const shard of shards.shardNames) {
    const [row] = await shards.queryShard<Omit<ParkedHead, 'shard'>>(shard, headOfEvent(choice.id, group));
    if (row) return [{ ...row, shard }];
  }
  throw notParked(group, choice.id);
}

/** Makes parked events due now, as if they had not been tried before. @returns those it did it to. @throws as `chosenHeads` */
export async function replayParked(
  shards: Shards,
  group: string,
  choice: ParkedChoice,
): Promise<ParkedHead[]> {
  const chosen = await chosenHeads(shards, group, choice);
  for (const shard of new Set(chosen.map((head) => head.shard))) {
    const ids = chosen.filter((head) => head.shard === shard).map(({ id }) => id);
    await shards.transactionAt(shard, async (tx) => {
      tx.send(dueAgain(group, ids));
      tx.send(notify('replay'));
    });
  }
  return chosen;
}

/** Lets the events behind a parked one go on without it. It is kept for the record. @throws RK_EVENTS_NOT_PARKED */
export async function skipParked(shards: Shards, group: string, id: string): Promise<ParkedHead> {
  for (const shard of shards.shardNames) {
    const [row] = await shards.transactionAt(shard, (tx) =>
      tx.query<Omit<ParkedHead, 'shard'>>(skip(group, id)),
    );
    if (row) return { ...row, shard };
  }
  throw notParked(group, id);
}

async function headsOf(
  shards: Shards,
  group: string | undefined,
  key: string | undefined,
  most: number | null,
): Promise<ParkedList> {
  const lists = await Promise.all(
    shards.shardNames.map(async (shard) => {
      const [rows, [count]] = await Promise.all([
        shards.queryShard<Omit<ParkedHead, 'shard'>>(shard, heads(group ?? null, key ?? null, most)),
        shards.queryShard<{ keys: number }>(shard, keyCount(group ?? null, key ?? null)),
      ]);
      return { keys: count!.keys, heads: rows.map((row): ParkedHead => ({ ...row, shard })) };
    }),
  );
  const all = lists.flatMap((list) => list.heads).sort(byUrgency);
  return {
    heads: most === null ? all : all.slice(0, most),
    keys: lists.reduce((sum, list) => sum + list.keys, 0),
  };
}

function byUrgency(a: ParkedHead, b: ParkedHead): number {
  if ((a.state === 'held') !== (b.state === 'held')) return a.state === 'held' ? -1 : 1;
  return (b.failedAt?.getTime() ?? 0) - (a.failedAt?.getTime() ?? 0);
}

function headersOf(text: string | null): Record<string, string> | null {
  return text === null ? null : (JSON.parse(text) as Record<string, string>);
}

function notParked(group: string, what: string): Error {
  return eventsErrors.create('NOT_PARKED', { data: { group, what } });
}

import { prepared, type Shards } from '@rookery/sharding';
import { eventsErrors } from '../events.errors.js';
import type { ProcessStatus } from '../process/define-process.js';

/** `timed-out`: under way, and its present step's time is over. */
export type ProcessState = ProcessStatus | 'timed-out';

export interface ProcessCount {
  readonly process: string;
  readonly status: 'running' | 'compensating' | 'failed';
  /** Of one shard at most 100,000 under way and as many failed: more are not counted. */
  readonly count: number;
}

/** A process as it stands on its shard. */
export interface ProcessOnShard {
  readonly shard: string;
  readonly slot: number;
  readonly process: string;
  readonly id: string;
  readonly status: ProcessStatus;
  /** Whether its step's time is over, and nothing has come of that yet. */
  readonly timedOut: boolean;
  /** Grows with each step. */
  readonly turn: number;
  readonly state: unknown;
  /** Why it was compensated or failed. */
  readonly reason: string | null;
  readonly startedAt: Date;
  readonly changedAt: Date;
  /** When its step's time is over; null where it has none. */
  readonly dueAt: Date | null;
}

/** An event under the key that is a process's id, which somebody has yet to handle, or has skipped. */
export interface ParkedUnderKey {
  readonly shard: string;
  readonly key: string;
  readonly group: string;
  readonly id: string;
  readonly type: string;
  readonly state: 'waiting' | 'held' | 'skipped';
  readonly error: string | null;
}

export interface ProcessFilter {
  /** @default all */
  readonly process?: string | undefined;
  /** @default all but `completed` */
  readonly states?: readonly ProcessState[];
  /** Begun longer ago than that. @default 0 */
  readonly olderThanMs?: number;
  /** Most of them, the oldest first. @default 1000 */
  readonly most?: number;
}

const MOST_COUNTED = 100_000;
const OPEN = `status IN ('running', 'compensating')`;

const counts = prepared(
  'rookery.operations.process-counts',
  `SELECT name AS process, status, count(*)::int AS count FROM (
     (SELECT name, status FROM rookery_process WHERE ${OPEN} LIMIT ${MOST_COUNTED})
     UNION ALL
     (SELECT name, status FROM rookery_process WHERE status = 'failed' LIMIT ${MOST_COUNTED})) counted
   GROUP BY name, status ORDER BY name, status`,
);

const COLUMNS = `name AS process, id, shard_slot AS slot, status, turn, state, reason, started_at AS "startedAt", changed_at AS "changedAt",
  due_at AS "dueAt", coalesce(${OPEN} AND due_at < now(), false) AS "timedOut"`;

/** As text, so that the planner finds the partial index that is made for it. */
const WHERE: Readonly<Record<ProcessState, string>> = {
  running: `status = 'running'`,
  compensating: `status = 'compensating'`,
  'timed-out': `${OPEN} AND due_at < now()`,
  failed: `status = 'failed'`,
  completed: `status = 'completed'`,
};
const NOT_COMPLETED: readonly ProcessState[] = ['running', 'compensating', 'failed'];

const byId = prepared(
  'rookery.operations.process-by-id',
  `SELECT ${COLUMNS} FROM rookery_process WHERE id = $1 ORDER BY name`,
);

const parkedUnder = prepared(
  'rookery.operations.process-parked',
  `SELECT DISTINCT ON (key) key, grp AS "group", id, type, state, split_part(error, E'\\n', 1) AS error
   FROM rookery_parked WHERE key = ANY($1::text[]) AND (attempts > 0 OR state <> 'waiting')
   ORDER BY key, array_position(ARRAY['held', 'waiting', 'skipped'], state), place`,
);

/** How many processes are under way on a shard, and how many have failed and are remembered. */
export function countProcesses(shards: Shards, shard: string): Promise<ProcessCount[]> {
  return shards.queryShard<ProcessCount>(shard, counts());
}

/** Processes of a shard, the oldest first. Changes nothing. */
export async function processesOnShard(
  shards: Shards,
  shard: string,
  { process, states = NOT_COMPLETED, olderThanMs = 0, most = 1_000 }: ProcessFilter = {},
): Promise<ProcessOnShard[]> {
  const parts = states.map(
    (state) => `(SELECT ${COLUMNS} FROM rookery_process
      WHERE ${WHERE[state]} AND ($1::text IS NULL OR name = $1) AND started_at <= now() - $2::float8 * interval '1 millisecond'
      ORDER BY started_at, name, id LIMIT $3)`,
  );
  const rows = await shards.queryShard<Omit<ProcessOnShard, 'shard'>>(shard, {
    text: `SELECT * FROM (${parts.join(' UNION ')}) found ORDER BY "startedAt", process, id LIMIT $3`,
    values: [process ?? null, olderThanMs, most],
  });
  return rows.map((row) => ({ shard, ...row }));
}

/** Processes of an id, of any name and in any state. Asks every shard. @throws RK_EVENTS_UNKNOWN_PROCESS */
export async function processesOfId(shards: Shards, id: string): Promise<ProcessOnShard[]> {
  const found: ProcessOnShard[] = [];
  for (const shard of shards.shardNames) {
    const rows = await shards.queryShard<Omit<ProcessOnShard, 'shard'>>(shard, byId(id));
    found.push(...rows.map((row) => ({ shard, ...row })));
  }
  if (found.length === 0) throw eventsErrors.create('UNKNOWN_PROCESS', { data: { id } });
  return found;
}

/** Of each of these keys the parked event that holds it up on a shard, or one that was skipped. */
export async function parkedUnderKeys(
  shards: Shards,
  shard: string,
  keys: readonly string[],
): Promise<ParkedUnderKey[]> {
  if (keys.length === 0) return [];
  const rows = await shards.queryShard<Omit<ParkedUnderKey, 'shard'>>(shard, parkedUnder([...keys]));
  return rows.map((row) => ({ shard, ...row }));
}

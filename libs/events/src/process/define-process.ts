import { prepared, type ShardTransaction } from '@rookery/sharding';
import { z } from 'zod';
import { defineEvent, type EventDefinition } from '../definition/define-event.js';
import { eventsErrors } from '../events.errors.js';

export interface ProcessOptions<S extends z.ZodType> {
  /** Unique in the site: `article-deletion`. Lower case, digits, dashes. */
  readonly name: string;
  /** What the process has to remember between its steps. */
  readonly state: S;
}

export type ProcessStatus = 'running' | 'compensating' | 'completed' | 'failed';

export interface Timeout {
  readonly id: string;
  readonly turn: number;
}

/** One process under way, locked until its transaction ends. */
export interface ProcessRun<State> {
  readonly id: string;
  readonly state: State;
  readonly status: ProcessStatus;
  /**
   * Goes on to the next step. The timeout of the last step is void from here on.
   * @param timeoutMs after which `timedOut` is published, unless the process has changed again by then; never without it
   */
  next(state: State, options?: { readonly timeoutMs?: number }): void;
  /** The steps made so far are to be undone: as `next`, and the status tells. */
  compensate(reason: string, state: State, options?: { readonly timeoutMs?: number }): void;
  /** It has done what it was for. */
  complete(): void;
  /** It has ended, and everything it did is undone. */
  fail(reason: string): void;
}

/**
 * A process manager: several steps, each a handler, and a memory between them, with timeouts and compensation.
 *
 * Its state lies in one slot; a handler of one of its steps must have its effect there (`at`), so that state, the events
 * that ask for the next step and the timeout are one commit. Since a step is an event, a step that fails is retried,
 * parked and replayed as any other; a timeout is for an answer that never comes.
 */
export interface Process<State> {
  readonly name: string;
  /** Published when a step has taken too long: to be handled as any event, by the process's own group. */
  readonly timedOut: EventDefinition<Timeout>;
  /**
   * Begins. Does nothing for a process that was begun before; returns whether it did. One that has ended is remembered for
   * `processRetentionDays` from its end, or from when it was last to begin, and for as long as an event may come again
   * that had it begin; after that it may be begun anew.
   */
  start(
    tx: ShardTransaction,
    id: string,
    state: State,
    options?: { readonly timeoutMs?: number },
  ): Promise<boolean>;
  /** The process, while it is under way; undefined once it has ended, or was never begun. */
  load(tx: ShardTransaction, id: string): Promise<ProcessRun<State> | undefined>;
  /** The process whose timeout this is; undefined where it has gone on meanwhile. */
  due(tx: ShardTransaction, timeout: Timeout): Promise<ProcessRun<State> | undefined>;
}

interface Row {
  readonly state: unknown;
  readonly status: ProcessStatus;
  readonly turn: number;
}

const begin = prepared(
  'rookery.process.begin',
  // An ended one that is to begin again is remembered for longer: the event that wants it may come again, too.
  `INSERT INTO rookery_process AS p (name, id, shard_slot, state, status, due_at) VALUES ($1, $2, $3, $4::jsonb, 'running', $5)
   ON CONFLICT (name, id) DO UPDATE SET asked_at = clock_timestamp() WHERE p.status IN ('completed', 'failed')
   RETURNING turn, asked_at IS NULL AS begun`,
);
const lock = prepared(
  'rookery.process.lock',
  `SELECT state, status, turn FROM rookery_process
   WHERE name = $1 AND id = $2 AND status IN ('running', 'compensating') FOR UPDATE`,
);
const change = prepared(
  'rookery.process.change',
  `UPDATE rookery_process SET state = $3::jsonb, status = $4, turn = $5, reason = coalesce($6, reason), due_at = $7, changed_at = now()
   WHERE name = $1 AND id = $2`,
);

const TIMED_OUT = /^process\.([a-z][a-z0-9-]*)\.timed-out$/;

/** The process whose timeouts are of this type of event; undefined of every other type. */
export function processOf(type: string): string | undefined {
  return TIMED_OUT.exec(type)?.[1];
}

const NAME = /^[a-z][a-z0-9-]{0,62}$/;

/** Declares a process. @throws RK_EVENTS_BAD_DEFINITION */
export function defineProcess<S extends z.ZodType>({
  name,
  state: schema,
}: ProcessOptions<S>): Process<z.output<S>> {
  type State = z.output<S>;
  const type = `process.${name}.timed-out`;
  if (!NAME.test(name)) {
    throw eventsErrors.create('BAD_DEFINITION', {
      data: { type, reason: 'a name is letters, digits and dashes' },
    });
  }
  const timedOut = defineEvent({
    type,
    key: ({ id }) => id,
    schema: z.object({ id: z.string(), turn: z.number().int() }),
  });
  const dueAt = (timeoutMs: number | undefined): Date | null =>
    timeoutMs === undefined ? null : new Date(Date.now() + timeoutMs);
  const watch = (tx: ShardTransaction, id: string, turn: number, availableAt: Date | null): void => {
    if (availableAt) tx.publish(timedOut({ id, turn }, { availableAt }));
  };

  const load = async (
    tx: ShardTransaction,
    id: string,
    turn?: number,
  ): Promise<ProcessRun<State> | undefined> => {
    const [row] = await tx.query<Row>(lock(name, id));
    if (!row || (turn !== undefined && row.turn !== turn)) return undefined;
    const read = schema.safeParse(row.state);
    if (!read.success) {
      throw eventsErrors.create('UNDECODABLE', {
        data: { type: `process.${name}`, reason: `the state of ${id} does not fit its schema` },
        cause: read.error,
      });
    }
    let at = row.turn;
    const write = (state: State, status: ProcessStatus, reason: string | null, timeoutMs?: number): void => {
      at += 1;
      const due = dueAt(timeoutMs);
      tx.send(change(name, id, JSON.stringify(state), status, at, reason, due));
      watch(tx, id, at, due);
    };
    return {
      id,
      state: read.data,
      status: row.status,
      next: (state, { timeoutMs } = {}) => write(state, row.status, null, timeoutMs),
      compensate: (reason, state, { timeoutMs } = {}) => write(state, 'compensating', reason, timeoutMs),
      complete: () => write(read.data, 'completed', null),
      fail: (reason) => write(read.data, 'failed', reason),
    };
  };

  return {
    name,
    timedOut,
    start: async (tx, id, state, { timeoutMs } = {}) => {
      const due = dueAt(timeoutMs);
      const statement = begin(name, id, tx.slot, JSON.stringify(state), due);
      const [row] = await tx.query<{ turn: number; begun: boolean }>(statement);
      if (!row?.begun) return false;
      watch(tx, id, row.turn, due);
      return true;
    },
    load: (tx, id) => load(tx, id),
    due: (tx, { id, turn }) => load(tx, id, turn),
  };
}

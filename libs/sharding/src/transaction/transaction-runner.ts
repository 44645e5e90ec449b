import { setTimeout as pause } from 'node:timers/promises';
import {
  CodedError,
  kernelErrors,
  type Counter,
  type Deadline,
  type Histogram,
  type Meter,
} from '@rookery/kernel';
import { GLOBAL_SLOT, SQLSTATE_GLOBAL_WRITE } from '../global/global-migration.js';
import type { Route } from '../map/slot-map.js';
import type { SlotMapKeeper } from '../map/slot-map-keeper.js';
import { sqlState, type Connection } from '../pool/connection.js';
import type { ShardPool } from '../pool/shard-pool.js';
import { prepared, type Statement } from '../pool/statement.js';
import {
  SQLSTATE_FOREIGN_SLOT,
  SQLSTATE_SLOT_CLOSED,
  SQLSTATE_STALE_ROUTE,
} from '../schema/framework-migrations.js';
import { shardingErrors } from '../sharding.errors.js';
import type { EventOutbox } from './event-outbox.js';
import { ANY_SLOT, runInTransaction, ShardTransaction, type TransactionMapper } from './shard-transaction.js';

export type Isolation = 'read committed' | 'repeatable read' | 'serializable';

export interface TransactionOptions {
  /** @default the request's deadline, or the library's default outside one */
  readonly deadline?: Deadline;
  /** @default 'read committed' */
  readonly isolation?: Isolation;
}

const guard = prepared('rookery.begin', 'SELECT rookery_begin($1, $2, $3)', 'array');

/** In a transaction on reference data: a row of any slot is refused. */
const globalGuard = prepared(
  'rookery.begin-global',
  `SELECT set_config('statement_timeout', $1, true), set_config('rookery.slot', '${GLOBAL_SLOT}', true)`,
  'array',
);

/** Such a transaction holds no slot from its start: the fence takes each one when its first row is written. */
const anySlotGuard = prepared(
  'rookery.begin-any-slot',
  `SELECT set_config('statement_timeout', $1, true), set_config('rookery.slot', '', true)`,
  'array',
);

const BEGIN: Statement = { text: 'BEGIN' };
const COMMIT: Statement = { text: 'COMMIT' };
const ROLLBACK: Statement = { text: 'ROLLBACK' };

/** Serialization failure, deadlock. */
const CONTENTION = new Set(['40001', '40P01']);
const MAX_CONTENTION = 5;
const FIRST_WAIT_MS = 5;
const MAX_WAIT_MS = 50;

/**
 * Runs transactions: BEGIN, guard and the first statements leave in one packet; COMMIT leaves with the last ones. A stale
 * route, a closed slot and contention are retried whole, inside the deadline; callers never see them.
 */
export class TransactionRunner {
  outbox: EventOutbox | undefined;
  private readonly outcomes: Counter;
  private readonly retries: Counter;
  private readonly duration: Histogram;

  constructor(
    private readonly keeper: SlotMapKeeper,
    private readonly poolOf: (shard: string) => ShardPool,
    private readonly mapper: TransactionMapper,
    meter: Meter,
    /** For the tests that prove the guard is needed; nothing else turns it off. */
    private readonly guarded = true,
  ) {
    this.outcomes = meter.counter({
      name: 'rookery_sharding_transactions_total',
      help: 'Transactions by outcome',
      labels: ['shard', 'outcome'],
    });
    this.retries = meter.counter({
      name: 'rookery_sharding_transaction_retries_total',
      help: 'Transactions run again, by reason',
      labels: ['reason'],
    });
    this.duration = meter.histogram({
      name: 'rookery_sharding_transaction_seconds',
      help: 'Time from BEGIN to the answer of COMMIT',
      labels: ['shard'],
    });
  }

  /** A transaction on a slot, wherever that is. */
  run<T>(
    slot: number,
    work: (tx: ShardTransaction) => Promise<T>,
    deadline: Deadline,
    isolation: Isolation,
  ): Promise<T> {
    return this.retrying(() => this.keeper.route(slot), work, deadline, isolation);
  }

  /** A transaction on no slot, at a shard by its name: for reference data. */
  runOn<T>(shard: string, work: (tx: ShardTransaction) => Promise<T>, deadline: Deadline): Promise<T> {
    const route: Route = { slot: GLOBAL_SLOT, shard, epoch: 0, state: 'open' };
    return this.retrying(() => route, work, deadline, 'read committed');
  }

  /** A transaction over rows of any slots that are open at a shard. Which slots those are may change: that is not retried. */
  runOver<T>(shard: string, work: (tx: ShardTransaction) => Promise<T>, deadline: Deadline): Promise<T> {
    const route: Route = { slot: ANY_SLOT, shard, epoch: 0, state: 'open' };
    return this.retrying(() => route, work, deadline, 'read committed');
  }

  private async retrying<T>(
    routeNow: () => Route | Promise<Route>,
    work: (tx: ShardTransaction) => Promise<T>,
    deadline: Deadline,
    isolation: Isolation,
  ): Promise<T> {
    let waitMs = FIRST_WAIT_MS;
    let contention = 0;
    let lost = 0;
    let closed: Error | undefined;
    for (;;) {
      deadline.check('waiting to start a transaction');
      const found = routeNow();
      const route = found instanceof Promise ? await deadline.race(found, 'reading the slot map') : found;
      try {
        return await this.attempt(route, work, deadline, isolation);
      } catch (error) {
        const state = sqlState(error);
        if (state === SQLSTATE_STALE_ROUTE && route.slot === ANY_SLOT) {
          await deadline.race(this.keeper.refresh(), 'reading the slot map').catch(() => undefined);
          throw this.outOfTime(state, route, error);
        } else if (state === SQLSTATE_STALE_ROUTE || state === SQLSTATE_SLOT_CLOSED) {
          this.retries.add(1, { reason: state === SQLSTATE_STALE_ROUTE ? 'stale-route' : 'slot-closed' });
          closed = state === SQLSTATE_SLOT_CLOSED ? this.outOfTime(state, route, error) : undefined;
          if (deadline.remaining() <= waitMs) throw this.outOfTime(state, route, error);
          // The first look is at once: usually the map has the answer. Then the slot is under way, and time must pass.
          if (waitMs > FIRST_WAIT_MS) await pause(waitMs);
          waitMs = Math.min(waitMs * 2, MAX_WAIT_MS);
          await deadline.race(this.keeper.refresh(), 'reading the slot map').catch(() => undefined);
          if (deadline.passed) throw this.outOfTime(state, route, error);
        } else if (state !== undefined && CONTENTION.has(state)) {
          this.retries.add(1, { reason: 'contention' });
          contention += 1;
          if (contention >= MAX_CONTENTION || deadline.remaining() <= MAX_WAIT_MS) {
            throw shardingErrors.create('CONTENTION', {
              data: { state, attempts: contention, shard: route.shard },
              cause: error,
              retryAfterSeconds: 1,
            });
          }
          await pause(Math.random() * FIRST_WAIT_MS * 2 ** contention);
        } else if (shardingErrors.is(error, 'CONNECTION_LOST') && lost === 0) {
          // COMMIT was not sent, so nothing stands. A connection may have died unnoticed: one fresh try tells.
          this.retries.add(1, { reason: 'connection-lost' });
          lost += 1;
        } else if (closed && kernelErrors.is(error, 'DEADLINE_EXCEEDED')) {
          // It waited for its slot all the while: the last try had too little time left to be told so once more.
          throw closed;
        } else throw error;
      }
    }
  }

  private attempt<T>(
    route: Route,
    work: (tx: ShardTransaction) => Promise<T>,
    deadline: Deadline,
    isolation: Isolation,
  ): Promise<T> {
    const { shard } = route;
    return this.poolOf(shard).use(deadline, async (connection) => {
      const since = performance.now();
      let outcome = 'rolled-back';
      try {
        const result = await this.inTransaction(connection, route, work, deadline, isolation);
        outcome = 'committed';
        return result;
      } catch (error) {
        if (shardingErrors.is(error, 'COMMIT_UNKNOWN')) outcome = 'unknown';
        const told = connection.translate(error);
        if (sqlState(told) === SQLSTATE_GLOBAL_WRITE) {
          throw shardingErrors.create('GLOBAL_WRITE', { cause: told });
        }
        if (sqlState(told) !== SQLSTATE_FOREIGN_SLOT) throw told;
        throw shardingErrors.create('FOREIGN_SLOT', {
          data: { slot: route.slot, foreign: 'another' },
          cause: told,
        });
      } finally {
        this.outcomes.add(1, { shard, outcome });
        this.duration.observe((performance.now() - since) / 1000, { shard });
      }
    });
  }

  private async inTransaction<T>(
    connection: Connection,
    route: Route,
    work: (tx: ShardTransaction) => Promise<T>,
    deadline: Deadline,
    isolation: Isolation,
  ): Promise<T> {
    const tx = new ShardTransaction(route.slot, route.shard, deadline, connection, this.mapper, this.outbox);
    const timeoutMs = Math.max(1, Math.ceil(deadline.remaining()));
    connection.cork();
    // The guard may have to wait for a slot that is just being closed: what an earlier call left must not cut it short.
    connection.boundSession(deadline);
    tx.send(isolation === 'read committed' ? BEGIN : { text: `BEGIN ISOLATION LEVEL ${isolation}` });
    tx.send(this.guardOf(route, timeoutMs));
    let result: T;
    try {
      result = await this.untilCut(
        connection,
        runInTransaction(tx, async () => work(tx)),
      );
      const waiting = tx.runBeforeCommit();
      if (waiting) await this.untilCut(connection, waiting);
    } catch (error) {
      await this.rollback(connection, tx);
      // When BEGIN or the guard failed, whatever the work met and threw came of that.
      throw decides(tx.failure) ? tx.failure : error;
    }
    if (connection.broken) throw connection.translate(connection.broken);
    return this.commit(connection, tx, result);
  }

  private guardOf({ slot, epoch }: Route, timeoutMs: number): Statement {
    if (slot === GLOBAL_SLOT) return globalGuard(String(timeoutMs));
    if (slot === ANY_SLOT) return anySlotGuard(String(timeoutMs));
    return this.guarded
      ? guard(slot, epoch, timeoutMs)
      : { text: `SET LOCAL statement_timeout = ${timeoutMs}` };
  }

  private async commit<T>(connection: Connection, tx: ShardTransaction, result: T): Promise<T> {
    tx.seal();
    let tag: string;
    try {
      tag = (await connection.send(COMMIT)).command;
    } catch (error) {
      // A statement whose failure was told before the connection broke had failed the transaction for good.
      const failure = tx.failure;
      if (failure !== undefined && !endsConnection(failure)) throw failure;
      if (connection.broken) {
        throw shardingErrors.create('COMMIT_UNKNOWN', { data: { shard: tx.shard }, cause: error });
      }
      await this.rollback(connection, tx);
      throw error;
    }
    // PostgreSQL answers the COMMIT of a failed transaction without an error, with the tag ROLLBACK.
    if (tag !== 'COMMIT')
      throw tx.failure ?? shardingErrors.create('ROLLED_BACK', { data: { shard: tx.shard } });
    tx.runAfterCommit();
    return result;
  }

  /** Waits for work, but no longer than its connection lives: work may hang on something else than the database. */
  private untilCut<T>(connection: Connection, work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      connection.onCut('a transaction was open', reject);
      work.then(resolve, reject);
    });
  }

  private async rollback(connection: Connection, tx: ShardTransaction): Promise<void> {
    tx.seal();
    if (connection.broken) return;
    try {
      await connection.send(ROLLBACK);
    } catch (error) {
      // A connection whose transaction may still be open must not be lent again.
      connection.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private outOfTime(state: string, route: Route, cause: unknown): Error {
    return state === SQLSTATE_SLOT_CLOSED
      ? shardingErrors.create('SLOT_CLOSED', { data: { slot: route.slot }, cause, retryAfterSeconds: 1 })
      : shardingErrors.create('STALE_ROUTE', {
          data: { slot: route.slot, shard: route.shard, epoch: route.epoch },
          cause,
          retryAfterSeconds: 1,
        });
  }
}

/** Whether a failure decides what becomes of the transaction, whatever its work made of it. */
function decides(failure: unknown): boolean {
  if (failure === undefined) return false;
  if (endsConnection(failure)) return true;
  const state = sqlState(failure);
  return (
    state === SQLSTATE_STALE_ROUTE ||
    state === SQLSTATE_SLOT_CLOSED ||
    state === SQLSTATE_FOREIGN_SLOT ||
    (state !== undefined && CONTENTION.has(state))
  );
}

/** The coded errors of `Connection`: it broke, or the deadline ended what was under way. */
function endsConnection(error: unknown): boolean {
  return error instanceof CodedError;
}

import { Ambient, type Deadline, type Id } from '@rookery/kernel';
import type { EntityManager } from 'typeorm';
import type { Connection } from '../pool/connection.js';
import type { Statement, StatementResult } from '../pool/statement.js';
import type { EntityClass, RowOf } from '../repository/sharded.decorator.js';
import { shardingErrors } from '../sharding.errors.js';
import { slotOf, type ShardKey } from '../slots/slot.js';
import type { EventOutbox, OutgoingEvent } from './event-outbox.js';

/** What a transaction needs from the mapper; the library's own module gives it. */
export interface TransactionMapper {
  insertStatement(entity: EntityClass, row: object): Statement;
  managerFor(tx: ShardTransaction): Promise<EntityManager>;
}

/** In place of a slot, in transactions over rows of many slots of one shard. */
export const ANY_SLOT = -2;

const current = new Ambient<ShardTransaction>();

/** The transaction that the present code runs in, if any. */
export function currentTransaction(): ShardTransaction | undefined {
  const tx = current.get();
  return tx?.ended ? undefined : tx;
}

export function runInTransaction<T>(tx: ShardTransaction, work: () => T): T {
  return current.run(tx, work);
}

/**
 * A transaction on one slot of one shard. Everything sent on it is committed together or not at all; the slot cannot
 * leave the shard while it is open; a row of another slot is refused by the database.
 *
 * Statements leave at once and are answered in order, so what does not need an answer need not be awaited: `send` it, and
 * COMMIT waits for it. A failed statement fails the transaction, whether or not its promise was looked at.
 */
export class ShardTransaction {
  private readonly beforeCommitHooks: (() => Promise<void> | void)[] = [];
  private readonly afterCommitHooks: (() => void)[] = [];
  private firstFailure: unknown;
  private over = false;
  /** For the outbox: what it keeps of this transaction until its end. */
  outgoing: unknown;

  constructor(
    readonly slot: number,
    readonly shard: string,
    readonly deadline: Deadline,
    private readonly connection: Connection,
    private readonly mapper: TransactionMapper,
    private readonly outbox: EventOutbox | undefined,
  ) {}

  get ended(): boolean {
    return this.over;
  }

  /** Whether it is on no slot in particular: made by `transactionAt`. */
  get spansSlots(): boolean {
    return this.slot === ANY_SLOT;
  }

  /** The first statement that failed, in the order they were sent. */
  get failure(): unknown {
    return this.firstFailure;
  }

  /**
   * For the mapper: the transaction is back at a savepoint, so what failed after it has not happened. `failure` is what
   * had failed when it was set.
   */
  backAtSavepoint(failure: unknown): void {
    this.firstFailure = failure;
  }

  /** Sends a statement and gives its rows. @throws what PostgreSQL says; RK_SHARDING_TRANSACTION_OVER */
  async query<R extends object = Record<string, unknown>>(statement: Statement): Promise<R[]> {
    return (await this.execute<R>(statement)).rows;
  }

  /** Sends a statement and gives rows and count. */
  execute<R extends object = Record<string, unknown>>(statement: Statement): Promise<StatementResult<R>> {
    return new Promise((resolve, reject) => {
      this.post(statement, (error, result) => {
        if (result) resolve(result);
        else reject(error);
      });
    });
  }

  /** Sends a statement whose answer nobody needs: its failure still fails the transaction. */
  send(statement: Statement): void {
    this.post(statement, ignore);
  }

  /** Inserts a row of a mapped entity by one named statement. Columns left out get their defaults. */
  insert<E extends EntityClass>(entity: E, row: Partial<RowOf<E>>): Promise<StatementResult<object>> {
    return this.execute(this.mapper.insertStatement(entity, row));
  }

  /** TypeORM's entity manager on this transaction, for what is easier said with the mapper than in SQL. */
  manager(): Promise<EntityManager> {
    if (this.over) return Promise.reject(shardingErrors.create('TRANSACTION_OVER'));
    return this.mapper.managerFor(this);
  }

  /**
   * Publishes events in the same commit as everything else sent here.
   * @throws RK_SHARDING_TRANSACTION_OVER, _NO_OUTBOX; what the outbox says of an event that is not in order
   */
  publish(...events: readonly OutgoingEvent[]): void {
    if (this.over) throw shardingErrors.create('TRANSACTION_OVER');
    if (!this.outbox) throw shardingErrors.create('NO_OUTBOX');
    this.outbox.publish(this, events);
  }

  /** @throws RK_SHARDING_FOREIGN_SLOT unless `key` lives in this transaction's slot */
  mustHold(key: ShardKey | Id): void {
    const foreign = slotOf(key);
    if (foreign !== this.slot) {
      throw shardingErrors.create('FOREIGN_SLOT', { data: { slot: this.slot, foreign } });
    }
  }

  /** Runs just before COMMIT, in the order given: for what is written once for the whole transaction. */
  beforeCommit(hook: () => Promise<void> | void): void {
    this.beforeCommitHooks.push(hook);
  }

  /**
   * Runs once COMMIT has been answered, or is known to have been made; must not throw. A crash before it ran must do no harm.
   */
  afterCommit(hook: () => void): void {
    this.afterCommitHooks.push(hook);
  }

  /** For the library: what to do around COMMIT. A promise only where there is something to wait for. */
  runBeforeCommit(): Promise<void> | undefined {
    for (let at = 0; at < this.beforeCommitHooks.length; at++) {
      const waiting = this.beforeCommitHooks[at]!();
      if (waiting) return this.waitBeforeCommit(waiting, at + 1);
    }
    return undefined;
  }

  private async waitBeforeCommit(waiting: Promise<void>, from: number): Promise<void> {
    await waiting;
    for (let at = from; at < this.beforeCommitHooks.length; at++) await this.beforeCommitHooks[at]!();
  }

  /** For the library: no more statements from here on; answers may still be on their way. */
  seal(): void {
    this.over = true;
  }

  runAfterCommit(): void {
    for (const hook of this.afterCommitHooks) hook();
  }

  private post(
    statement: Statement,
    answer: (error: unknown, result?: StatementResult<never>) => void,
  ): void {
    if (this.over) {
      answer(shardingErrors.create('TRANSACTION_OVER'));
      return;
    }
    this.connection.cork();
    this.connection.post(statement, (error, result) => {
      if (error !== undefined) this.firstFailure ??= error;
      answer(error, result);
    });
  }
}

function ignore(): void {
  // The transaction knows of the failure; nobody else asked.
}

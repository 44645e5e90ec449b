import { CodedError } from '@rookery/kernel';
import { QueryFailedError } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import { PostgresQueryRunner } from 'typeorm/driver/postgres/PostgresQueryRunner.js';
import type { Statement, StatementResult } from '../pool/statement.js';
import { shardingErrors } from '../sharding.errors.js';

/** Where the statements of a query runner go. */
export type SendStatement = (statement: Statement) => Promise<StatementResult<object>>;

/**
 * TypeORM's query runner without a connection of its own: it hands each statement on and never gives anything back, since
 * it was never lent anything. Coded errors come out as they are, not wrapped into TypeORM's.
 */
class LentQueryRunner extends PostgresQueryRunner {
  constructor(driver: PostgresDriver, send: SendStatement) {
    super(driver, 'master');
    const connection = {
      query: (text: string, values?: readonly unknown[]) => send({ text, values }),
    };
    // TypeORM keeps its connection in a field that its types do not show.
    Object.assign(this, { databaseConnection: connection });
    this.databaseConnectionPromise = Promise.resolve(connection);
  }

  override release(): Promise<void> {
    return Promise.resolve();
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    // The one of TypeORM commits.
  }

  override query(
    query: string,
    parameters?: unknown[],
    useStructuredResult?: boolean,
  ): ReturnType<PostgresQueryRunner['query']> {
    return super.query(query, parameters, useStructuredResult).catch((error: unknown) => {
      throw error instanceof QueryFailedError && error.driverError instanceof CodedError
        ? error.driverError
        : error;
    });
  }
}

/** What the runner of a transaction needs of it. */
export interface TransactionSink {
  execute(statement: Statement): Promise<StatementResult<object>>;
  readonly failure: unknown;
  backAtSavepoint(failure: unknown): void;
}

/** Inside a transaction of the library. TypeORM's own become savepoints; it can neither commit nor roll back the whole. */
export class TransactionQueryRunner extends LentQueryRunner {
  /** What had failed when each of the open savepoints was set. */
  private readonly failures: unknown[] = [];

  constructor(
    driver: PostgresDriver,
    private readonly tx: TransactionSink,
  ) {
    super(driver, (statement) => tx.execute(statement));
    this.isTransactionActive = true;
    // At depth 0 TypeORM would send START TRANSACTION, which PostgreSQL ignores, and then a COMMIT, which it does not.
    this.transactionDepth = 1;
  }

  override async startTransaction(isolation?: string): Promise<void> {
    if (isolation !== undefined) throw refusal(`set isolation ${isolation} of a nested transaction`);
    const { failure } = this.tx;
    await super.startTransaction();
    this.failures.push(failure);
  }

  override async commitTransaction(): Promise<void> {
    if (this.transactionDepth <= 1) throw refusal('COMMIT');
    await super.commitTransaction();
    this.failures.pop();
  }

  override async rollbackTransaction(): Promise<void> {
    if (this.transactionDepth <= 1) throw refusal('ROLLBACK');
    await super.rollbackTransaction();
    this.tx.backAtSavepoint(this.failures.pop());
  }
}

const READS = /^\s*(SELECT|WITH)\b/i;

/** Outside a transaction: reads only, each on whatever connection is free. They may be sent twice, so writes are refused. */
export class ReadQueryRunner extends LentQueryRunner {
  constructor(driver: PostgresDriver, send: SendStatement) {
    super(driver, (statement) =>
      READS.test(statement.text)
        ? send(statement)
        : Promise.reject(writeRefused(statement.text.trim().split(/\s/, 1)[0]!.toUpperCase())),
    );
  }

  override startTransaction(): Promise<void> {
    return Promise.reject(writeRefused('START TRANSACTION'));
  }
}

function refusal(what: string): CodedError {
  return shardingErrors.create('NESTED_COMMIT', { data: { what } });
}

function writeRefused(verb: string): CodedError {
  return shardingErrors.create('WRITE_OUTSIDE_TRANSACTION', { data: { verb } });
}

import pg from 'pg';
import { CodedError, type Deadline } from '@rookery/kernel';
import { shardingErrors } from '../sharding.errors.js';
import { PipelinedQuery } from './pipelined-query.js';
import type { Statement, StatementResult } from './statement.js';

/** What `pg` keeps private but every pipelining caller needs: the socket, to send several messages in one packet. */
interface ClientInternals {
  connection?: { stream?: { cork?: () => void; uncork?: () => void; destroy?: () => void } };
}

/** A session's timeout is set this many times longer than asked, so that the next call need not set it again. */
const TIMEOUT_SLACK = 1.25;

/**
 * One pooled connection, used by one caller at a time. Statements go out at once and are answered in order (pipelined);
 * whoever borrows it does so until a deadline, after which the pool cuts it.
 */
export class Connection {
  private sessionTimeoutMs: number | undefined;
  private brokenBy: Error | undefined;
  private refusedBy: Error | undefined;
  private corked = false;
  private deadline: Deadline | undefined;
  private during = '';
  private cutting: ((cause: Error) => void) | undefined;
  /** When it was last given back, on the clock of `performance.now()`. */
  idleSince = 0;

  constructor(
    readonly client: pg.Client,
    readonly shard: string,
    private readonly sessionState: boolean,
    /** Told once, when it breaks by itself. */
    onBroken: (connection: Connection) => void,
  ) {
    const broken = (error?: Error): void => {
      if (this.brokenBy) return;
      this.brokenBy = error ?? new Error('the server closed the connection');
      onBroken(this);
    };
    client.on('error', broken);
    client.on('end', broken);
  }

  /** Why this connection must not be used again; `undefined` while it is sound. */
  get broken(): Error | undefined {
    return this.brokenBy;
  }

  /** Whether it broke because the server went, or the way there: others to it may have gone unnoticed. */
  get lost(): boolean {
    return this.brokenBy !== undefined && !isCoded(this.brokenBy) && this.brokenBy !== this.refusedBy;
  }

  markBroken(cause: Error): void {
    this.brokenBy ??= cause;
  }

  /** Whether it is as its next borrower must find it: sound, nothing under way, no transaction left open. */
  get clean(): boolean {
    return this.brokenBy === undefined && this.client.getTransactionStatus() === 'I';
  }

  /** From here on it is used until `deadline`; the pool calls `cutIfOverdue` to see. */
  lend(deadline: Deadline): void {
    this.deadline = deadline;
    this.during = 'running a statement';
    this.cutting = undefined;
  }

  /** What to tell if it must be cut, and whom to tell beside those who wait for an answer. */
  onCut(during: string, cutting: (cause: Error) => void): void {
    this.during = during;
    this.cutting = cutting;
  }

  /** Cuts the connection if its borrower's deadline has long passed. */
  cutIfOverdue(graceMs: number): void {
    const { deadline } = this;
    if (!deadline || deadline.remaining() > -graceMs || this.brokenBy) return;
    const cause = deadline.exceeded(`${this.during} at shard ${this.shard}`);
    this.destroy(cause);
    this.cutting?.(cause);
  }

  /** Cuts the connection: everything under way on it fails with a connection error. */
  destroy(cause: Error): void {
    this.markBroken(cause);
    (this.client as unknown as ClientInternals).connection?.stream?.destroy?.();
  }

  /** Statements sent in this turn of the event loop leave in one packet. */
  cork(): void {
    if (this.corked) return;
    const stream = (this.client as unknown as ClientInternals).connection?.stream;
    if (!stream?.cork || !stream.uncork) return;
    this.corked = true;
    stream.cork();
    process.nextTick(() => {
      this.corked = false;
      stream.uncork?.();
    });
  }

  /**
   * Sends a statement and calls back with its answer, in the order of sending. A statement that the driver refuses to
   * send is answered before this returns.
   */
  post(statement: Statement, answer: (error: unknown, result?: StatementResult<never>) => void): void {
    const query = new PipelinedQuery(
      statement,
      this.sessionState ? statement.name : undefined,
      (error, result) => {
        if (error) answer(this.faultOf(error, query.refused));
        else answer(undefined, resultOf(result));
      },
    );
    this.client.query(query);
  }

  /**
   * Sends a statement.
   * @throws RK_KERNEL_DEADLINE_EXCEEDED, RK_SHARDING_CONNECTION_LOST; errors of PostgreSQL as they are
   */
  send<R>(statement: Statement): Promise<StatementResult<R>> {
    return new Promise((resolve, reject) => {
      this.post(statement, (error, result) => {
        if (result) resolve(result);
        else reject(error);
      });
    });
  }

  /** Runs one statement by itself, bounded by the borrower's deadline on the server too. */
  async run<R>(statement: Statement, deadline: Deadline): Promise<StatementResult<R>> {
    this.cork();
    if (this.sessionState) {
      this.boundSession(deadline);
      return this.send<R>(statement);
    }
    // Nothing may be left in the session for whoever gets it next from the pooler between.
    this.post({ text: `BEGIN; SET LOCAL statement_timeout = ${wholeMs(deadline)}` }, ignore);
    const answer = this.send<R>(statement);
    const over = this.send({ text: 'COMMIT' });
    const [told] = await Promise.allSettled([answer, over]);
    if (told.status === 'rejected') throw told.reason;
    const { command } = await over;
    // A statement that worked but was not committed: BEGIN itself had failed.
    if (command !== 'COMMIT') throw shardingErrors.create('ROLLED_BACK', { data: { shard: this.shard } });
    return told.value;
  }

  /**
   * Makes the session's `statement_timeout` fit what is left of a deadline, where it does not already: never shorter, and
   * not much longer.
   */
  boundSession(deadline: Deadline): void {
    if (!this.sessionState) return;
    const remaining = wholeMs(deadline);
    const now = this.sessionTimeoutMs;
    if (now !== undefined && now >= remaining && now <= remaining * TIMEOUT_SLACK * 2) return;
    const wanted = Math.ceil(remaining * TIMEOUT_SLACK);
    this.sessionTimeoutMs = wanted;
    this.post({ text: `SET statement_timeout = ${wanted}` }, (error) => {
      // Whatever refused a SET makes the session's state unknown.
      if (error) this.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  }

  /** An error met by work on this connection, told by whatever library it went through, in the library's terms. */
  translate(error: unknown): unknown {
    if (isCoded(error) || (error !== undefined && error === this.refusedBy)) return error;
    if (this.brokenBy) return isCoded(this.brokenBy) ? this.brokenBy : connectionLost(this.shard, error);
    if (sqlState(error) === '57014' && this.deadline?.passed) return this.exceeded(error);
    return error;
  }

  /** An error of the driver in the library's terms; what PostgreSQL says of a statement stays as it is. */
  private faultOf(error: Error, refused: boolean): unknown {
    if (refused) {
      // The driver's idea of the statements it has prepared is wrong from here on.
      this.refusedBy = error;
      this.markBroken(error);
      return error;
    }
    if (error instanceof pg.DatabaseError && !endsSession(error)) {
      return error.code === '57014' && this.deadline?.passed ? this.exceeded(error) : error;
    }
    this.markBroken(error);
    return isCoded(this.brokenBy) ? this.brokenBy : connectionLost(this.shard, error);
  }

  private exceeded(cause: unknown): unknown {
    return this.deadline?.exceeded(`${this.during} at shard ${this.shard}`, cause) ?? cause;
  }
}

export function connectionLost(shard: string, cause: unknown): CodedError {
  return shardingErrors.create('CONNECTION_LOST', { data: { shard }, cause, retryAfterSeconds: 1 });
}

/** The SQLSTATE of an error of PostgreSQL, through whatever library it came. */
export function sqlState(error: unknown): string | undefined {
  if (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    SQLSTATE.test(error.code)
  ) {
    return error.code;
  }
  return undefined;
}

const SQLSTATE = /^[0-9A-Z]{5}$/;

function isCoded(error: unknown): error is CodedError {
  return error instanceof CodedError;
}

/** Class 08, 57P (shutdown, crash) and fatal timeouts of the session: the server closes the connection. */
function endsSession(error: pg.DatabaseError): boolean {
  const code = error.code ?? '08000';
  return error.severity === 'FATAL' || code.startsWith('08') || code.startsWith('57P');
}

function resultOf(result: unknown): StatementResult<never> {
  const last = (Array.isArray(result) ? result[result.length - 1] : result) as pg.QueryResult<never>;
  return { rows: last.rows, rowCount: last.rowCount ?? 0, command: last.command };
}

function wholeMs(deadline: Deadline): number {
  return Math.max(1, Math.ceil(deadline.remaining()));
}

function ignore(): void {
  // What became of it shows in the answer of the statement behind it.
}

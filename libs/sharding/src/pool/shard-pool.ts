import pg from 'pg';
import type { Deadline, Histogram, Labels } from '@rookery/kernel';
import { shardingErrors } from '../sharding.errors.js';
import { connectInTime } from '../in-time.js';
import { Connection } from './connection.js';

export interface ShardPoolOptions {
  readonly shard: string;
  readonly url: string;
  readonly max: number;
  readonly maxWaiting: number;
  readonly connectTimeoutMs: number;
  readonly sessionState: boolean;
  readonly applicationName: string;
  readonly wait: Histogram;
  /** Told when a connection could not be opened or broke: the watcher looks at once. */
  readonly onTrouble: () => void;
  /** Asked, while the shard is away, before a caller is turned away: looks again, for a moment. */
  readonly recheck: () => Promise<void>;
  /** Milliseconds that the server is given to cancel a statement itself before its connection is cut. @default 250 */
  readonly cancelGraceMs?: number;
  /** Milliseconds that `close` waits for what is still borrowed before it cuts it. @default 2000 */
  readonly closeGraceMs?: number;
}

export interface PoolState {
  readonly open: number;
  readonly idle: number;
  readonly waiting: number;
  readonly max: number;
}

interface Waiter {
  readonly deadline: Deadline;
  readonly since: number;
  readonly timer: NodeJS.Timeout;
  readonly take: (connection: Connection) => void;
  readonly refuse: (error: Error) => void;
}

/** How often borrowed connections are held against their deadlines. */
const WATCH_MS = 50;
const IDLE_LIMIT_MS = 60_000;
const REAP_MS = 10_000;
const CANCEL_GRACE_MS = 250;
const CLOSE_GRACE_MS = 2_000;

/**
 * The connections of one shard: opened on demand, never more than `max`, every wait bounded by the caller's deadline, and
 * every loan too: a connection kept past its borrower's deadline is cut. Callers are served in the order they came.
 * While the shard is known to be away, callers are told so at once instead of waiting for it.
 */
export class ShardPool {
  /** Most recently used last, and used first: what is not needed ages at the front. */
  private readonly idle: Connection[] = [];
  private readonly lent = new Set<Connection>();
  private readonly waiters = new Set<Waiter>();
  private readonly sessionOptions: string | undefined;
  private opening = 0;
  private away: Error | undefined;
  private closed = false;
  private watchdog: NodeJS.Timeout | undefined;
  private reaper: NodeJS.Timeout | undefined;
  private onAllBack: (() => void) | undefined;
  private readonly labels: Labels;

  constructor(private readonly options: ShardPoolOptions) {
    this.labels = { shard: options.shard };
    // A pooler between refuses startup options, and would share them between its clients.
    // Long-lived sessions see named statements many times: compiling them would cost more than running them.
    this.sessionOptions = options.sessionState ? '-c plan_cache_mode=auto -c jit=off' : undefined;
  }

  get shard(): string {
    return this.options.shard;
  }

  get state(): PoolState {
    return {
      open: this.idle.length + this.lent.size + this.opening,
      idle: this.idle.length,
      waiting: this.waiters.size,
      max: this.options.max,
    };
  }

  /** From now on callers are turned away at once, and so are those that wait. */
  markAway(cause: Error): void {
    this.away = cause;
    this.dropIdle(cause);
    for (const waiter of [...this.waiters]) this.refuse(waiter, this.unavailable(cause));
  }

  markBack(): void {
    this.away = undefined;
  }

  /**
   * Lends a connection to `work` and takes it back, whatever happens.
   * @throws RK_SHARDING_SHARD_UNAVAILABLE, RK_SHARDING_POOL_EXHAUSTED, RK_KERNEL_DEADLINE_EXCEEDED while waiting
   */
  async use<T>(deadline: Deadline, work: (connection: Connection) => Promise<T>): Promise<T> {
    deadline.check('waiting for a connection');
    const connection = this.lendIdle(deadline) ?? (await this.wait(deadline));
    try {
      return await work(connection);
    } finally {
      this.giveBack(connection);
    }
  }

  /**
   * For callers that cannot hand over their work as a function. The second value must be called once; more does nothing.
   * Statements are bounded by the deadline like those of `Connection.run`.
   */
  async acquire(deadline: Deadline): Promise<[Connection, () => void]> {
    deadline.check('waiting for a connection');
    const connection = this.lendIdle(deadline) ?? (await this.wait(deadline));
    connection.boundSession(deadline);
    let back = false;
    return [
      connection,
      () => {
        if (back) return;
        back = true;
        this.giveBack(connection);
      },
    ];
  }

  /** Closes every connection: idle ones at once, borrowed ones when they come back, or by force after two seconds. */
  async close(): Promise<void> {
    if (this.closed) return;
    const cause = new Error('the pool is closed');
    this.closed = true;
    this.markAway(cause);
    clearInterval(this.reaper);
    if (this.lent.size > 0 || this.opening > 0) {
      await new Promise<void>((resolve) => {
        const force = setTimeout(() => {
          for (const connection of this.lent) connection.destroy(cause);
          resolve();
        }, this.options.closeGraceMs ?? CLOSE_GRACE_MS);
        this.onAllBack = () => {
          clearTimeout(force);
          resolve();
        };
      });
    }
    clearInterval(this.watchdog);
  }

  private lendIdle(deadline: Deadline): Connection | undefined {
    if (this.away || this.waiters.size > 0) return undefined;
    const connection = this.idle.pop();
    if (!connection) return undefined;
    this.options.wait.observe(0, this.labels);
    this.lend(connection, deadline);
    return connection;
  }

  private async wait(deadline: Deadline): Promise<Connection> {
    if (this.away && !this.closed) await this.options.recheck();
    if (this.away) throw this.unavailable(this.away);
    const { maxWaiting } = this.options;
    if (this.waiters.size >= maxWaiting) {
      throw shardingErrors.create('POOL_EXHAUSTED', {
        data: { shard: this.shard, limit: maxWaiting },
        retryAfterSeconds: 1,
      });
    }
    const during = `waiting for a connection to shard ${this.shard}`;
    deadline.check(during);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        deadline,
        since: performance.now(),
        timer: setTimeout(() => this.refuse(waiter, deadline.exceeded(during)), deadline.remaining()),
        take: resolve,
        refuse: reject,
      };
      this.waiters.add(waiter);
      const back = this.idle.pop();
      if (back) this.serve(back);
      else this.openIfNeeded();
    });
  }

  private refuse(waiter: Waiter, error: Error): void {
    if (!this.waiters.delete(waiter)) return;
    clearTimeout(waiter.timer);
    waiter.refuse(error);
  }

  /** Gives a free connection to whoever has waited longest, or keeps it. */
  private serve(connection: Connection): void {
    const [waiter] = this.waiters;
    if (!waiter) {
      connection.idleSince = performance.now();
      this.idle.push(connection);
      this.reaper ??= setInterval(() => this.reap(), REAP_MS).unref();
      return;
    }
    this.waiters.delete(waiter);
    clearTimeout(waiter.timer);
    this.options.wait.observe((performance.now() - waiter.since) / 1000, this.labels);
    this.lend(connection, waiter.deadline);
    waiter.take(connection);
  }

  private lend(connection: Connection, deadline: Deadline): void {
    connection.lend(deadline);
    this.lent.add(connection);
    this.watchdog ??= setInterval(() => this.watch(), WATCH_MS).unref();
  }

  private giveBack(connection: Connection): void {
    this.lent.delete(connection);
    if (this.closed || this.away || !connection.clean) {
      const cause = connection.broken ?? this.away;
      this.discard(connection, cause ?? new Error('given back with a transaction still open'));
      if (connection.lost) this.dropIdle(connection.broken ?? new Error('lost'));
      if (connection.broken && !this.closed) this.options.onTrouble();
    } else this.serve(connection);
    if (this.closed && this.lent.size === 0 && this.opening === 0) this.onAllBack?.();
    else this.openIfNeeded();
  }

  private openIfNeeded(): void {
    const { max } = this.options;
    while (
      !this.away &&
      this.opening < this.waiters.size &&
      this.idle.length + this.lent.size + this.opening < max
    ) {
      this.opening += 1;
      void this.open();
    }
  }

  private async open(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.options.url,
      keepAlive: true,
      application_name: this.options.applicationName,
      options: this.sessionOptions,
      pipeline: true,
    });
    try {
      const connection = new Connection(client, this.shard, this.options.sessionState, (broken) => {
        this.lost(broken);
      });
      await connectInTime(client, this.options.connectTimeoutMs);
      this.opening -= 1;
      if (this.closed || this.away) this.discard(connection, this.away ?? new Error('not needed any more'));
      else this.serve(connection);
    } catch (error) {
      this.opening -= 1;
      const cause = error instanceof Error ? error : new Error(String(error));
      this.options.onTrouble();
      const [waiter] = this.waiters;
      if (waiter) this.refuse(waiter, this.unavailable(cause));
      this.openIfNeeded();
    }
    if (this.closed && this.lent.size === 0 && this.opening === 0) this.onAllBack?.();
  }

  /** An idle connection that broke by itself takes the other idle ones with it: the server went, and they with it. */
  private lost(connection: Connection): void {
    if (!this.idle.includes(connection)) return;
    const cause = connection.broken ?? new Error('the connection broke');
    this.dropIdle(cause);
    this.options.onTrouble();
  }

  private dropIdle(cause: Error): void {
    for (const connection of this.idle.splice(0)) this.discard(connection, cause);
  }

  private discard(connection: Connection, cause: Error): void {
    if (connection.clean) {
      connection.markBroken(cause);
      connection.client.end().catch(() => connection.destroy(cause));
    } else connection.destroy(cause);
  }

  private watch(): void {
    const graceMs = this.options.cancelGraceMs ?? CANCEL_GRACE_MS;
    for (const connection of this.lent) connection.cutIfOverdue(graceMs);
    if (this.lent.size > 0) return;
    clearInterval(this.watchdog);
    this.watchdog = undefined;
  }

  private reap(): void {
    const old = performance.now() - IDLE_LIMIT_MS;
    while (this.idle.length > 0 && this.idle[0]!.idleSince < old) {
      this.discard(this.idle.shift()!, new Error('idle for long'));
    }
    if (this.idle.length > 0) return;
    clearInterval(this.reaper);
    this.reaper = undefined;
  }

  private unavailable(cause: Error): Error {
    return shardingErrors.create('SHARD_UNAVAILABLE', {
      data: { shard: this.shard },
      cause,
      retryAfterSeconds: 1,
    });
  }
}

import { redisClusterInsStore, redisInsStore } from 'cache-manager-redis-yet';
import { createClient, createCluster, ErrorReply, type RedisClusterType, type RedisClientType } from 'redis';
import { cacheErrors } from '../../cache.errors.js';
import { away, Deadlines } from './deadline.js';
import type { Script } from './scripts.js';

type Client = RedisClientType | RedisClusterType;
/** What of the store is used: its `reset` is FLUSHDB, its `mget`, `mdel` and `ttl` do not know `keyPrefix`. */
export interface RedisStore {
  get<T>(key: string): Promise<T | undefined>;
  set<T>(key: string, value: T, ttlMs?: number): Promise<void>;
  ttl(key: string): Promise<number>;
}

export interface ConnectionSetup {
  readonly urls: readonly string[];
  readonly isCluster: boolean;
  readonly deadlineMs: number;
  readonly onWarning: (message: string, error?: unknown) => void;
}

const QUEUE_LIMIT = 10_000;
const CONNECT_MS = 2_000;
const WARN_AGAIN_MS = 10_000;

/**
 * The connection for commands: cache-manager-redis-yet's store over a node-redis client, or over a cluster. A breaker: after
 * a call without an answer nobody is let wait again until a beat was answered in time.
 */
export class RedisConnection {
  readonly isCluster: boolean;
  private client!: Client;
  private redis!: RedisStore;
  private isAway = true;
  private lastHeard = -Infinity;
  private lastWarning = -Infinity;
  private run: string | undefined;
  private closed = false;
  private readonly deadlines = new Deadlines();

  constructor(private readonly setup: ConnectionSetup) {
    this.isCluster = setup.isCluster;
    this.open();
  }

  /** Whether calls are refused at once. */
  get away(): boolean {
    return this.isAway;
  }

  get heardAt(): number {
    return this.lastHeard;
  }

  get store(): RedisStore {
    return this.redis;
  }

  connect(): void {
    this.client.connect().catch((error: unknown) => this.warn(error));
  }

  get deadlineMs(): number {
    return this.setup.deadlineMs;
  }

  /** For what reads wait for. @throws RK_CACHE_REDIS_AWAY */
  call<T>(work: (connection: this) => Promise<T>, limitMs = this.setup.deadlineMs): Promise<T> {
    if (this.isAway) return Promise.reject(away('it did not answer before'));
    return new Promise((resolve, reject) => this.answer(work, limitMs, true, resolve, reject));
  }

  /** As `call`, for who needs no promise: `given` or `failed` is called, and neither may throw. */
  ask<T>(work: () => Promise<T>, given: (answer: T) => void, failed: (error: unknown) => void): void {
    if (this.isAway) failed(away('it did not answer before'));
    else this.answer(work, this.setup.deadlineMs, true, given, failed);
  }

  /** Whatever the breaker says, and for as long as it is given. @throws as `call` */
  try<T>(work: (connection: this) => Promise<T>, limitMs: number): Promise<T> {
    return new Promise((resolve, reject) => this.answer(work, limitMs, false, resolve, reject));
  }

  eval<T>({ sha, source }: Script, keys: string[], args: string[]): Promise<T> {
    const options = { keys, arguments: args };
    const answer = this.client.evalSha(sha, options).catch((error: unknown) => {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return this.client.eval(source, options);
    });
    return answer as Promise<T>;
  }

  /** What lies under the names at one moment. For one Redis alone. */
  textsOf(names: readonly string[]): Promise<(string | null)[]> {
    // `mGet` would go through two promises more.
    return (this.client as RedisClientType).sendCommand(['MGET', ...names]);
  }

  async publish(channel: string, message: string): Promise<void> {
    this.mustKnowNodes();
    await this.client.publish(channel, message);
  }

  /** A beat was answered, in time or not. */
  heard(inTime: boolean): void {
    this.lastHeard = performance.now();
    if (inTime) this.isAway = false;
  }

  /** Somebody has waited in vain. */
  isGone(): void {
    this.isAway = true;
  }

  /** Which run of which server this is: another one may have lost what the one before had acknowledged. */
  async runId(controlKey: string): Promise<string> {
    if (this.run !== undefined) return this.run;
    const info =
      'masters' in this.client
        ? await this.client.sendCommand<string>(controlKey, false, ['INFO', 'server'])
        : await this.client.info('server');
    this.run = /run_id:(\w+)/.exec(info)?.[1] ?? 'unknown';
    return this.run;
  }

  /** For connections that nobody has closed, and that nothing comes from any more. */
  replace(): void {
    if (this.closed) return;
    const old = this.client;
    this.open();
    this.connect();
    old.disconnect().catch((error: unknown) => this.warn(error));
  }

  async close(): Promise<void> {
    this.closed = true;
    this.isAway = true;
    await this.client.disconnect().catch((error: unknown) => this.warn(error));
  }

  private answer<T>(
    work: (connection: this) => Promise<T>,
    limitMs: number,
    trips: boolean,
    given: (answer: T) => void,
    failed: (error: unknown) => void,
  ): void {
    const fail = (error: unknown) => {
      // What Redis itself refuses says that it is there.
      if (trips && !(error instanceof ErrorReply)) this.isAway = true;
      if (cacheErrors.is(error, 'REDIS_AWAY')) failed(error);
      else failed(away(error instanceof Error ? error.message : String(error), error));
    };
    let answer: Promise<T>;
    try {
      this.mustKnowNodes();
      answer = work(this);
    } catch (error) {
      fail(error);
      return;
    }
    const give = (value: T) => {
      this.lastHeard = performance.now();
      given(value);
    };
    this.deadlines.wait(answer, limitMs, give, fail);
  }

  /** node-redis looks for a node of a cluster for ever, and lets nothing else run, where it knows none. */
  private mustKnowNodes(): void {
    if ('masters' in this.client && this.client.masters.length === 0) {
      throw away('no node of the cluster is known');
    }
  }

  private open(): void {
    const { urls } = this.setup;
    const socket = { connectTimeout: CONNECT_MS, reconnectStrategy: () => 50 + Math.random() * 100 };
    const limits = { disableOfflineQueue: true, commandsQueueMaxLength: QUEUE_LIMIT, socket };
    this.run = undefined;
    if (this.isCluster) {
      const cluster = createCluster({ rootNodes: urls.map((url) => ({ url })), defaults: limits });
      this.redis = redisClusterInsStore(cluster as never, {} as never);
      this.client = cluster as unknown as RedisClusterType;
    } else {
      const client = createClient({ url: urls[0]!, ...limits });
      this.redis = redisInsStore(client as never);
      this.client = client as unknown as RedisClientType;
    }
    const { client } = this;
    // Without a listener, an error of the connection ends the process.
    client.on('error', (error: unknown) => {
      if (client !== this.client) return;
      this.isAway = true;
      this.run = undefined;
      this.warn(error);
    });
    client.on('ready', () => (this.run = undefined));
  }

  private warn(error: unknown): void {
    const now = performance.now();
    if (this.closed || now - this.lastWarning < WARN_AGAIN_MS) return;
    this.lastWarning = now;
    this.setup.onWarning('the connection to Redis has failed; the cache goes on without it', error);
  }
}

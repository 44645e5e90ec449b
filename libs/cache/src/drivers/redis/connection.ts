import { redisClusterInsStore, redisInsStore } from 'cache-manager-redis-yet';
import { createClient, ErrorReply, type RedisClusterType, type RedisClientType } from 'redis';
import { cacheErrors } from '../../cache.errors.js';
import { ClusterLink } from './cluster-link.js';
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
  /** How long a node of a cluster may be silent until others are asked for its slots. */
  readonly boundMs: number;
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
  private readonly cluster: ClusterLink | undefined;
  private client!: Client;
  private redis!: RedisStore;
  private isAway = true;
  private lastHeard = -Infinity;
  private lastWarning = -Infinity;
  private closed = false;
  private readonly deadlines = new Deadlines();

  constructor(private readonly setup: ConnectionSetup) {
    if (!setup.isCluster) {
      this.open();
      return;
    }
    const { urls, deadlineMs, boundMs } = setup;
    this.cluster = new ClusterLink({
      urls,
      deadlineMs,
      boundMs,
      queueLimit: QUEUE_LIMIT,
      connectMs: CONNECT_MS,
      changed: (client) => {
        this.client = client;
        this.redis = redisClusterInsStore(client, {} as never);
      },
      onError: (error) => this.warn(error),
    });
  }

  get isCluster(): boolean {
    return this.setup.isCluster;
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

  /** Resolves when it is connected, or has failed to be: it goes on trying then. */
  async connect(): Promise<void> {
    await this.client.connect().catch((error: unknown) => this.warn(error));
  }

  /** To be called every now and then: a cluster is watched. */
  tend(): void {
    this.cluster?.tend();
  }

  /** Of the Redis that has the key. @throws RK_CACHE_REDIS_AWAY where it is unknown */
  urlOf(key: string): string {
    return this.cluster?.urlOf(key) ?? this.setup.urls[0]!;
  }

  get deadlineMs(): number {
    return this.setup.deadlineMs;
  }

  /**
   * For what reads wait for. In a cluster nobody waits for a node that is silent: `keys` are those that are needed.
   * @throws RK_CACHE_REDIS_AWAY
   */
  call<T>(
    work: (connection: this) => Promise<T>,
    limitMs = this.setup.deadlineMs,
    keys: readonly string[] = [],
  ): Promise<T> {
    if (this.isAway) return Promise.reject(away('it did not answer before'));
    if (this.cluster?.isSilent(keys)) return Promise.reject(away('a node of the cluster does not answer'));
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

  /**
   * Before what must not be done by a node that has lost its place: one that was silent for so long may have, and would do
   * what it finds waiting before it hears of that.
   * @throws RK_CACHE_REDIS_AWAY
   */
  mustHear(keys: readonly string[]): void {
    if (this.cluster?.isSilent(keys, this.setup.boundMs)) throw away('a node of the cluster does not answer');
  }

  async eval<T>({ sha, source }: Script, keys: string[], args: string[]): Promise<T> {
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return await this.send<T>(keys[0], ['EVALSHA', sha, ...rest]);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return this.send<T>(keys[0], ['EVAL', source, ...rest]);
    }
  }

  /** What lies under the names at one moment. For one Redis alone. */
  textsOf(names: readonly string[]): Promise<(string | null)[]> {
    // `mGet` would go through two promises more.
    return (this.client as RedisClientType).sendCommand(['MGET', ...names]);
  }

  /** In a cluster by the node that has the key of this name: whoever listens there hears it in order. */
  async publish(channel: string, message: string): Promise<void> {
    this.mustKnowNodes();
    await this.send(channel, ['PUBLISH', channel, message]);
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

  /** For connections that nobody has closed, and that nothing comes from any more. */
  replace(): void {
    // A cluster is watched node by node.
    if (this.closed || this.cluster) return;
    const old = this.client;
    this.open();
    void this.connect();
    old.disconnect().catch((error: unknown) => this.warn(error));
  }

  async close(): Promise<void> {
    this.closed = true;
    this.isAway = true;
    if (this.cluster) await this.cluster.close();
    else await this.client.disconnect().catch((error: unknown) => this.warn(error));
  }

  /** In a cluster to the node that has the key: by itself, node-redis sends scripts to any, which then names another one. */
  private send<T>(key: string | undefined, command: string[]): Promise<T> {
    const { client } = this;
    return 'masters' in client ? client.sendCommand<T>(key, false, command) : client.sendCommand<T>(command);
  }

  private answer<T>(
    work: (connection: this) => Promise<T>,
    limitMs: number,
    trips: boolean,
    given: (answer: T) => void,
    failed: (error: unknown) => void,
  ): void {
    const fail = (error: unknown) => {
      const isLate = cacheErrors.is(error, 'REDIS_AWAY');
      // What Redis itself refuses says that it is there; what fails at once in a cluster is one node.
      if (trips && (isLate || !(this.isCluster || error instanceof ErrorReply))) this.isAway = true;
      if (isLate) failed(error);
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
    const client = createClient({ url: urls[0]!, ...limits }) as unknown as RedisClientType;
    this.redis = redisInsStore(client);
    this.client = client;
    // Without a listener, an error of the connection ends the process.
    client.on('error', (error: unknown) => {
      if (client !== this.client) return;
      this.isAway = true;
      this.warn(error);
    });
  }

  private warn(error: unknown): void {
    const now = performance.now();
    if (this.closed || now - this.lastWarning < WARN_AGAIN_MS) return;
    this.lastWarning = now;
    this.setup.onWarning('the connection to Redis has failed; the cache goes on without it', error);
  }
}

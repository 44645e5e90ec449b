import { currentDeadline, Deadline, noopMeter, type HealthProbe, type Meter } from '@rookery/kernel';
import type { Repository } from 'typeorm';
import { Directory } from './directory/directory.js';
import type { GlobalTable } from './global/global-table.js';
import { GlobalTables } from './global/global-tables.js';
import { SlotMapKeeper } from './map/slot-map-keeper.js';
import { checkIdentity } from './migrations/identity.js';
import { checkSchema } from './migrations/schema-check.js';
import { ShardPool, type PoolState } from './pool/shard-pool.js';
import type { Statement, StatementResult } from './pool/statement.js';
import { Mapper } from './repository/mapper.js';
import { ShardedRepository } from './repository/sharded-repository.js';
import type { EntityClass, RowOf } from './repository/sharded.decorator.js';
import { frameworkMigrations } from './schema/framework-migrations.js';
import { shardingErrors } from './sharding.errors.js';
import type { ShardingOptions } from './sharding.options.js';
import { slotOf, type ShardKey } from './slots/slot.js';
import type { EventOutbox } from './transaction/event-outbox.js';
import { currentTransaction, type ShardTransaction } from './transaction/shard-transaction.js';
import { TransactionRunner, type TransactionOptions } from './transaction/transaction-runner.js';

/** State of one shard as this replica sees it. */
export interface ShardStatus {
  readonly shard: string;
  readonly state: 'up' | 'down';
  readonly slots: number;
  readonly closedSlots: number;
  /** Highest epoch among its slots. */
  readonly epoch: number;
  /** Milliseconds since it last confirmed its slots. */
  readonly ageMs: number;
  readonly pool: PoolState;
  readonly trouble?: string;
}

/** One shard, chosen by a key: for reads. */
export interface ShardHandle {
  /** Rows of one statement. It may be run again on a fresh connection when the first one breaks: reads only. */
  query<R = Record<string, unknown>>(statement: Statement): Promise<R[]>;
  /** TypeORM's repository on this shard, for reads: what would write is refused. */
  repository<E extends EntityClass>(entity: E): Promise<Repository<RowOf<E>>>;
  readonly shard: string;
}

/** For the library's own tests. */
export interface ShardsInternals {
  readonly guarded?: boolean;
  /** How long a call waits for a shard that was away to be found back. @default 100 */
  readonly recheckWaitMs?: number;
}

/**
 * The shards of a cluster: the one way to its data. Every call names the key it is about, or says `scatter`; nothing is
 * ever sent to every shard by itself.
 */
export class Shards {
  readonly directory: Directory;
  readonly globals: GlobalTables;
  private readonly pools = new Map<string, ShardPool>();
  private readonly keeper: SlotMapKeeper;
  private readonly mapper: Mapper;
  private readonly runner: TransactionRunner;
  private readonly defaultDeadlineMs: number;
  private readonly leaseMs: number;
  private readonly names: readonly string[];
  private readonly endGauge: () => void;
  readonly maxOffset: number;

  constructor(options: ShardingOptions, internals: ShardsInternals = {}) {
    const meter = options.meter ?? noopMeter;
    const targets = options.shards.map(({ name, url }, i) => ({ name: name ?? `s${i + 1}`, url }));
    if (targets.length === 0)
      throw shardingErrors.create('MISSING_KEY', { data: { what: 'at least one shard' } });
    const applicationName = options.applicationName ?? 'rookery';
    const connectTimeoutMs = options.connectTimeoutMs ?? 5_000;
    const migrations = [...frameworkMigrations, ...(options.migrations ?? [])];
    this.defaultDeadlineMs = options.defaultDeadlineMs ?? 5_000;
    this.leaseMs = options.leaseMs ?? 3_000;
    this.maxOffset = options.maxOffset ?? 10_000;
    this.names = targets.map(({ name }) => name);
    const onWarning = options.onWarning ?? (() => undefined);
    this.keeper = new SlotMapKeeper({
      shards: targets,
      controlUrl: options.controlUrl ?? targets[0]!.url,
      connectTimeoutMs,
      pollMs: options.pollMs ?? 1_000,
      leaseMs: this.leaseMs,
      recheckWaitMs: internals.recheckWaitMs,
      applicationName,
      meter,
      admit: async (shard, position, query) => {
        await checkSchema(query, shard, migrations);
        await checkIdentity(query, shard, position);
      },
      onShardState: (shard, trouble) => {
        if (trouble) this.poolOf(shard).markAway(trouble);
        else {
          this.poolOf(shard).markBack();
          this.globals.wake();
        }
      },
      onWarning,
    });
    const wait = meter.histogram({
      name: 'rookery_sharding_pool_wait_seconds',
      help: 'Time callers waited for a connection',
      labels: ['shard'],
    });
    for (const { name, url } of targets) {
      this.pools.set(
        name,
        new ShardPool({
          shard: name,
          url,
          max: options.poolMax ?? 10,
          maxWaiting: options.poolMaxWaiting ?? 1_000,
          connectTimeoutMs,
          sessionState: options.sessionState ?? true,
          applicationName,
          wait,
          onTrouble: () => this.keeper.suspect(name),
          recheck: () => this.keeper.recheck(name),
        }),
      );
    }
    this.endGauge = exportPools(meter, this.pools);
    const poolOf = (shard: string): ShardPool => this.poolOf(shard);
    this.mapper = new Mapper(options.entities ?? [], (shard, statement) => this.ask(shard, statement));
    this.runner = new TransactionRunner(this.keeper, poolOf, this.mapper, meter, internals.guarded ?? true);
    this.directory = new Directory(this, { meter, onWarning });
    this.globals = new GlobalTables(
      this,
      {
        shardNames: this.names,
        isAway: (shard) => this.keeper.awayOf(shard) !== undefined,
        runOn: (shard, work, deadline) => this.runner.runOn(shard, work, deadline),
        query: (shard, statement) => this.read(shard, statement),
        deadline: () => this.deadline(),
      },
      this.mapper,
      options.entities ?? [],
      { meter, onWarning },
    );
  }

  /**
   * Looks at every shard. Resolves with those that are away: the others are served.
   * @throws RK_SHARDING_SCHEMA_OLDER, _SCHEMA_NEWER, _IDENTITY if a shard that answers must not be served
   */
  async start(): Promise<{ away: string[] }> {
    await this.mapper.load();
    return this.keeper.start();
  }

  /** Stops watching and closes every connection. Call it once nothing sends requests any more. */
  async close(): Promise<void> {
    await this.directory.stop();
    await this.globals.stop();
    await this.keeper.stop();
    this.endGauge();
    await Promise.all([...this.pools.values()].map((pool) => pool.close()));
  }

  /** Names of the shards, in the order of the options. */
  get shardNames(): readonly string[] {
    return this.names;
  }

  /**
   * Runs `work` in one transaction on the slot of `key`, and commits. `work` may be run again from its start (stale route,
   * closed slot, deadlock), so it must have no effect but through `tx`. Inside another transaction on the same slot it
   * joins that one.
   * @throws RK_SHARDING_CROSS_SHARD, _FOREIGN_SLOT inside a transaction on another slot; _SLOT_CLOSED, _STALE_ROUTE,
   * _SHARD_UNAVAILABLE, _POOL_EXHAUSTED, _CONTENTION, _COMMIT_UNKNOWN; RK_KERNEL_DEADLINE_EXCEEDED; what `work` throws
   */
  async transaction<T>(
    key: ShardKey,
    work: (tx: ShardTransaction) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    const slot = slotOf(key);
    const outer = currentTransaction();
    if (outer) {
      if (outer.slot === slot) return work(outer);
      if (outer.spansSlots && (await this.keeper.route(slot)).shard === outer.shard) return work(outer);
      this.refuseSecond(outer, slot);
    }
    return this.runner.run(
      slot,
      work,
      options.deadline ?? this.deadline(),
      options.isolation ?? 'read committed',
    );
  }

  /**
   * Runs `work` in one transaction at a shard, over rows of any slots that are open there: for batches. Each slot is held
   * from the first row that is written in it. Meets a slot that has moved away with RK_SHARDING_STALE_ROUTE, and is not
   * run again by itself: its rows have to be dealt out to shards anew.
   * @throws as `transaction`
   */
  async transactionAt<T>(
    shard: string,
    work: (tx: ShardTransaction) => Promise<T>,
    options: Pick<TransactionOptions, 'deadline'> = {},
  ): Promise<T> {
    const outer = currentTransaction();
    if (outer) throw shardingErrors.create('CROSS_SHARD', { data: { shard: outer.shard, other: shard } });
    return this.runner.runOver(shard, work, options.deadline ?? this.deadline());
  }

  /** Where `tx.publish` leads, from now on. One outbox per `Shards`. */
  useOutbox(outbox: EventOutbox): void {
    this.runner.outbox = outbox;
  }

  /**
   * Hears NOTIFY on a channel, from every shard, over the connections that watch them. A shard whose connection broke is
   * told of once it is back, with an empty payload, since what was notified meanwhile is lost. Returns what ends it.
   */
  onNotification(channel: string, listener: (shard: string, payload: string) => void): () => void {
    return this.keeper.onNotification(channel, listener);
  }

  /**
   * NOTIFY at one shard, over the connection that watches it: the cheapest way, and one that may lose what it is told. It
   * rejects while that shard is away or this connection is made anew.
   */
  notify(shard: string, channel: string, payload: string): Promise<void> {
    return this.keeper.notify(shard, channel, payload);
  }

  /** The shard of `key`, for reads. @throws RK_SHARDING_CROSS_SHARD inside a transaction on another shard */
  async on(key: ShardKey): Promise<ShardHandle> {
    const slot = slotOf(key);
    const found = this.keeper.route(slot);
    const { shard } =
      found instanceof Promise ? await this.deadline().race(found, 'reading the slot map') : found;
    const outer = currentTransaction();
    if (outer && outer.shard !== shard) this.refuseSecond(outer, slot);
    return this.at(shard);
  }

  /** A shard by its name: for reads of what every shard has, and for tools. */
  at(shard: string): ShardHandle {
    return {
      shard,
      query: <R>(statement: Statement) => this.read<R>(shard, statement),
      repository: (entity) =>
        Promise.resolve(
          this.mapper.managerOn(shard).getRepository(entity) as unknown as Repository<RowOf<typeof entity>>,
        ),
    };
  }

  /** Rows of one statement on the shard of `key`: `on(key)` and `query` in one. */
  async query<R = Record<string, unknown>>(key: ShardKey, statement: Statement): Promise<R[]> {
    const slot = slotOf(key);
    const found = this.keeper.route(slot);
    const { shard } =
      found instanceof Promise ? await this.deadline().race(found, 'reading the slot map') : found;
    const outer = currentTransaction();
    if (outer && outer.shard !== shard) this.refuseSecond(outer, slot);
    return this.read<R>(shard, statement);
  }

  /**
   * Sends a statement to every shard at once and gives their rows, a list per shard. All or nothing: a shard that is away
   * fails the whole call, since an answer without its rows would be wrong.
   * @param statementFor the statement, or one per shard; `undefined` leaves a shard out
   */
  async scatter<R = Record<string, unknown>>(
    statementFor: Statement | ((shard: string) => Statement | undefined),
  ): Promise<R[][]> {
    const outer = currentTransaction();
    if (outer) {
      throw shardingErrors.create('CROSS_SHARD', { data: { shard: outer.shard, other: '* (scatter)' } });
    }
    const owners = this.keeper.owners();
    if ([...owners].some((shard) => !this.keeper.awayOf(shard) && this.keeper.ageOf(shard) > this.leaseMs)) {
      await this.deadline().race(this.keeper.refresh(), 'reading the slot map');
    }
    const asked: Promise<R[]>[] = [];
    for (const shard of this.names) {
      if (!owners.has(shard)) continue;
      const statement = typeof statementFor === 'function' ? statementFor(shard) : statementFor;
      if (statement) asked.push(this.read<R>(shard, statement));
    }
    return Promise.all(asked);
  }

  /** One statement on a shard by its name: for tools that walk over shards, not for requests. */
  queryShard<R = Record<string, unknown>>(shard: string, statement: Statement): Promise<R[]> {
    return this.read<R>(shard, statement);
  }

  /** A mapped entity's reads: by key, or scattered. @throws RK_SHARDING_NOT_SHARDED */
  repository<E extends EntityClass>(entity: E): ShardedRepository<E> {
    return new ShardedRepository(this, this.mapper, entity);
  }

  /** A reference table. @throws RK_SHARDING_NOT_GLOBAL, _NOT_SHARDED */
  global<E extends EntityClass>(entity: E): GlobalTable<E> {
    return this.globals.table(entity);
  }

  /** Name of the shard that owns the slot of `key` now. */
  async shardOf(key: ShardKey): Promise<string> {
    return (await this.keeper.route(slotOf(key))).shard;
  }

  /** Slots of `shard`, as far as this replica knows. */
  slotsOf(shard: string): readonly number[] {
    return this.keeper.slotsOf(shard).map((route) => route.slot);
  }

  status(): ShardStatus[] {
    return this.names.map((shard) => {
      const slots = this.keeper.slotsOf(shard);
      const trouble = this.keeper.awayOf(shard);
      return {
        shard,
        state: trouble ? 'down' : 'up',
        slots: slots.length,
        closedSlots: slots.filter((route) => route.state === 'closed').length,
        epoch: slots.reduce((epoch, route) => Math.max(epoch, route.epoch), 0),
        ageMs: this.keeper.ageOf(shard),
        pool: this.poolOf(shard).state,
        ...(trouble ? { trouble: trouble.message } : {}),
      };
    });
  }

  /** One health probe per shard. */
  probes(): HealthProbe[] {
    return this.keeper.probes();
  }

  /** The deadline of the request under way, or the default for work outside one. */
  deadline(): Deadline {
    return currentTransaction()?.deadline ?? currentDeadline() ?? Deadline.after(this.defaultDeadlineMs);
  }

  private async read<R>(shard: string, statement: Statement): Promise<R[]> {
    return (await this.ask<R>(shard, statement)).rows;
  }

  private async ask<R>(shard: string, statement: Statement): Promise<StatementResult<R>> {
    const deadline = this.deadline();
    const pool = this.poolOf(shard);
    for (let attempt = 1; ; attempt++) {
      try {
        return await pool.use(deadline, (connection) => connection.run<R>(statement, deadline));
      } catch (error) {
        // An idle connection may have died unnoticed (a restart): one fresh try tells.
        if (!shardingErrors.is(error, 'CONNECTION_LOST') || attempt > 1 || deadline.passed) throw error;
      }
    }
  }

  private poolOf(shard: string): ShardPool {
    const pool = this.pools.get(shard);
    if (!pool) throw shardingErrors.create('SHARD_UNAVAILABLE', { data: { shard }, retryAfterSeconds: 1 });
    return pool;
  }

  private refuseSecond(outer: ShardTransaction, slot: number): never {
    const found = this.keeper.route(slot);
    const other = found instanceof Promise ? 'unknown' : found.shard;
    if (found instanceof Promise) found.catch(() => undefined);
    if (other === outer.shard) {
      throw shardingErrors.create('FOREIGN_SLOT', { data: { slot: outer.slot, foreign: slot } });
    }
    throw shardingErrors.create('CROSS_SHARD', { data: { shard: outer.shard, other } });
  }
}

function exportPools(meter: Meter, pools: ReadonlyMap<string, ShardPool>): () => void {
  return meter.gauge(
    {
      name: 'rookery_sharding_pool_connections',
      help: 'Connections per shard by state; `waiting` counts callers',
      labels: ['shard', 'state'],
    },
    () =>
      [...pools.values()].flatMap(({ shard, state }) => [
        { value: state.idle, labels: { shard, state: 'idle' } },
        { value: state.open - state.idle, labels: { shard, state: 'busy' } },
        { value: state.waiting, labels: { shard, state: 'waiting' } },
      ]),
  );
}

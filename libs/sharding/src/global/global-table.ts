import type { Deadline } from '@rookery/kernel';
import type { Repository } from 'typeorm';
import type { Statement } from '../pool/statement.js';
import type { EntityClass, RowOf } from '../repository/sharded.decorator.js';
import { shardingErrors } from '../sharding.errors.js';
import type { ShardHandle, Shards } from '../shards.js';
import type { ShardKey } from '../slots/slot.js';
import { currentTransaction, type ShardTransaction } from '../transaction/shard-transaction.js';
import { GLOBAL_SLOT } from './global-migration.js';
import type { CopySummary, GlobalCopies, GlobalHost, TableName } from './global-copies.js';
import type { GlobalFanOut } from './global-fan-out.js';
import * as sql from './global-table.sql.js';

export interface GlobalWrite<T> {
  /** What the work gave. */
  readonly value: T;
  /** The table's version from this write on. */
  readonly version: number;
  /** Shards that did not have the write yet when it was answered. Empty: every read from here on sees it. */
  readonly behind: readonly string[];
}

/** `behind` is on its way; `differs` and `ahead` are not, and need `republish`. */
export type CopyState = 'same' | 'behind' | 'differs' | 'ahead' | 'away';

export interface GlobalVerification {
  readonly table: string;
  readonly home: string;
  /** Whether all copies are the same as the home's rows. */
  readonly same: boolean;
  readonly copies: readonly ({ readonly shard: string; readonly state: CopyState } & Partial<CopySummary>)[];
}

/** The transaction of a write: on the home, for the rows of this one table. */
export type GlobalTransaction = Pick<
  ShardTransaction,
  'query' | 'execute' | 'send' | 'insert' | 'manager' | 'shard' | 'deadline'
>;

/**
 * A reference table: small, seldom written, whole on every shard, so that it can be joined anywhere. Its home is the first
 * shard; every write is made there, and copied.
 *
 * What a caller may rely on:
 * - When `write` resolves, the write is durable at the home.
 * - If its `behind` is empty, it is visible in every copy: a read that starts after that, on any shard and through any
 *   replica, sees it or something newer. A shard in `behind` shows the state before until it is back and the loop of any
 *   replica has reached it, which takes seconds from then.
 * - A copy is always some whole state the home has had, and never goes back to an older one. Two shards may show two states
 *   at one moment; one shard never shows half of a write.
 * - When `write` rejects, nothing was written; after RK_SHARDING_COMMIT_UNKNOWN it may have been, and will then be copied.
 * - Without the home nothing can be written; reads go on everywhere.
 */
export class GlobalTable<E extends EntityClass> {
  constructor(
    private readonly shards: Shards,
    private readonly host: GlobalHost,
    private readonly copies: GlobalCopies,
    private readonly fanOut: GlobalFanOut,
    private readonly entity: E,
    private readonly table: TableName,
  ) {}

  /**
   * Runs `work` in one transaction on the home and copies the table to the other shards, both within the deadline. Writers
   * of one table take turns. `work` may be run again from its start, so it must have no effect but through `tx`; rows of
   * other tables are refused.
   * @throws RK_SHARDING_CROSS_SHARD inside another transaction; _GLOBAL_WRITE, _FOREIGN_SLOT for rows of other tables; what
   * `Shards.transaction` and `work` throw
   */
  async write<T>(
    work: (tx: GlobalTransaction) => Promise<T>,
    options: { readonly deadline?: Deadline } = {},
  ): Promise<GlobalWrite<T>> {
    return this.writeAbove(0, work, options.deadline);
  }

  /**
   * Copies the home's rows over whatever the copies hold, as a new version: mends what `verify` found.
   * @throws as `write`
   */
  async republish(): Promise<GlobalWrite<void>> {
    const known = await Promise.allSettled(
      this.host.shardNames.map((shard) => this.copies.versionsAt(shard)),
    );
    const highest = known.reduce(
      (version, look) =>
        look.status === 'fulfilled' ? Math.max(version, look.value.get(this.table.name) ?? 0) : version,
      0,
    );
    return this.writeAbove(highest, () => Promise.resolve());
  }

  /** TypeORM's repository on the copy at the shard of `key`; without a key, as `query` chooses. For reads. */
  async repository(key?: ShardKey): Promise<Repository<RowOf<E>>> {
    const handle = key === undefined ? this.nearest() : await this.shards.on(key);
    return handle.repository(this.entity);
  }

  /**
   * Rows of one statement on the copy at the shard of `key`. Without a key: the shard of the transaction under way, else the
   * home, whose rows are never behind, else the next shard that answers.
   */
  async query<R = Record<string, unknown>>(statement: Statement, key?: ShardKey): Promise<R[]> {
    if (key !== undefined) return this.shards.query<R>(key, statement);
    const tried = this.nearest();
    try {
      return await tried.query<R>(statement);
    } catch (error) {
      const next = this.nearest();
      // It went away under the call.
      if (next.shard === tried.shard || !this.host.isAway(tried.shard)) throw error;
      return next.query<R>(statement);
    }
  }

  /** Holds every copy against the home by version, number of rows and checksum. Reads the whole table on every shard. */
  async verify(): Promise<GlobalVerification> {
    const deadline = this.host.deadline();
    const { home } = this.copies;
    const [origin, ...others] = await Promise.all(
      this.host.shardNames.map((shard) =>
        this.copies.summaryAt(shard, this.table, deadline).catch((error: unknown) => {
          if (shard === home) throw error;
          return undefined;
        }),
      ),
    );
    const copies = others.map((copy, i) => ({
      shard: this.host.shardNames[i + 1]!,
      state: stateOf(copy, origin!),
      ...copy,
    }));
    return {
      table: this.table.name,
      home,
      same: copies.every(({ state }) => state === 'same'),
      copies: [{ shard: home, state: 'same', ...origin! }, ...copies],
    };
  }

  private async writeAbove<T>(
    floor: number,
    work: (tx: GlobalTransaction) => Promise<T>,
    deadline = this.host.deadline(),
  ): Promise<GlobalWrite<T>> {
    const outer = currentTransaction();
    if (outer) {
      throw shardingErrors.create('CROSS_SHARD', {
        data: { shard: outer.shard, other: `${this.copies.home} (reference data)` },
      });
    }
    const { value, version } = await this.host.runOn(
      this.copies.home,
      async (tx) => {
        tx.send(sql.pinSession(this.table.sql));
        const [row] = await tx.query<{ version: string }>(sql.nextVersion(this.table.name, floor));
        return { value: await work(tx), version: Number(row!.version) };
      },
      deadline,
    );
    return { value, version, behind: await this.fanOut.written(this.table, deadline) };
  }

  private nearest(): ShardHandle {
    const shard =
      insideOf(currentTransaction()) ??
      this.host.shardNames.find((name) => !this.host.isAway(name)) ??
      this.copies.home;
    return this.shards.at(shard);
  }
}

function insideOf(tx: ShardTransaction | undefined): string | undefined {
  return tx && tx.slot !== GLOBAL_SLOT ? tx.shard : undefined;
}

function stateOf(copy: CopySummary | undefined, home: CopySummary): CopyState {
  if (!copy) return 'away';
  if (copy.version !== home.version) return copy.version < home.version ? 'behind' : 'ahead';
  return copy.rows === home.rows && copy.checksum === home.checksum ? 'same' : 'differs';
}

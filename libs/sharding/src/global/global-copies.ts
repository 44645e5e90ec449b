import type { Deadline } from '@rookery/kernel';
import { sqlState } from '../pool/connection.js';
import type { Statement } from '../pool/statement.js';
import type { ShardTransaction } from '../transaction/shard-transaction.js';
import * as sql from './global-table.sql.js';

/** What reference data needs of the shards. */
export interface GlobalHost {
  /** Names of the shards; the first is the home of every reference table. */
  readonly shardNames: readonly string[];
  isAway(shard: string): boolean;
  /** A transaction on no slot. */
  runOn<T>(shard: string, work: (tx: ShardTransaction) => Promise<T>, deadline: Deadline): Promise<T>;
  query<R>(shard: string, statement: Statement): Promise<R[]>;
  deadline(): Deadline;
}

/** A reference table: as SQL names it, and as `rookery_global` does. */
export interface TableName {
  readonly sql: string;
  readonly name: string;
}

/** Version, number of rows and checksum of one copy. */
export interface CopySummary {
  readonly version: number;
  readonly rows: number;
  readonly checksum: string;
}

interface Snapshot {
  readonly version: string;
  readonly lines: readonly string[];
}

/** The points between which a process may die; for tests that make it. */
export type GlobalStep = 'written' | 'read' | 'applied';

const UNIQUE_VIOLATION = '23505';

/**
 * Carries reference tables from their home to the other shards: reads the table and its version in one snapshot, and makes
 * each copy the same in one transaction that moves its version on. A copy never goes back: a version that is not newer
 * than what is there is not applied, so copiers may overtake each other, repeat and die as they like.
 */
export class GlobalCopies {
  /** For tests: called at each step; throwing is dying there. */
  onStep: ((step: GlobalStep, shard: string) => void | Promise<void>) | undefined;

  constructor(private readonly host: GlobalHost) {}

  get home(): string {
    return this.host.shardNames[0]!;
  }

  /** Copies to `shards`; resolves with those that did not get it, each with the reason. Never rejects. */
  async copy(table: TableName, shards: readonly string[], deadline: Deadline): Promise<Map<string, unknown>> {
    const failed = new Map<string, unknown>();
    if (shards.length === 0) return failed;
    let snapshot: Snapshot;
    try {
      await this.onStep?.('written', this.home);
      snapshot = await this.read(table, deadline);
      await this.onStep?.('read', this.home);
    } catch (error) {
      return new Map(shards.map((shard) => [shard, error]));
    }
    await Promise.all(
      shards.map(async (shard) => {
        try {
          await this.apply(table, snapshot, shard, deadline);
          await this.onStep?.('applied', shard);
        } catch (error) {
          failed.set(shard, error);
        }
      }),
    );
    return failed;
  }

  /** Versions of all tables at a shard; a table that was never written is not in it. */
  async versionsAt(shard: string): Promise<Map<string, number>> {
    const rows = await this.host.query<{ table: string; version: string }>(shard, sql.versions);
    return new Map(rows.map(({ table, version }) => [table, Number(version)]));
  }

  summaryAt(shard: string, { sql: table, name }: TableName, deadline: Deadline): Promise<CopySummary> {
    return this.host.runOn(
      shard,
      async (tx) => {
        tx.send(sql.pinSession(null));
        const [row] = await tx.query<{ version: string; rows: string; checksum: string }>(
          sql.summaryOf(table, name),
        );
        return { version: Number(row!.version), rows: Number(row!.rows), checksum: row!.checksum };
      },
      deadline,
    );
  }

  private read({ sql: table, name }: TableName, deadline: Deadline): Promise<Snapshot> {
    return this.host.runOn(
      this.home,
      async (tx) => {
        tx.send(sql.pinSession(null));
        const rows = await tx.query<[version: string, line: string | null]>(sql.snapshotOf(table, name));
        return {
          version: rows[0]![0],
          lines: rows.flatMap(([, line]) => (line === null ? [] : [line])),
        };
      },
      deadline,
    );
  }

  private async apply(
    table: TableName,
    snapshot: Snapshot,
    shard: string,
    deadline: Deadline,
  ): Promise<void> {
    try {
      await this.applyBy(sql.mergeRows, table, snapshot, shard, deadline);
    } catch (error) {
      if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
      await this.applyBy(sql.replaceRows, table, snapshot, shard, deadline);
    }
  }

  private applyBy(
    change: typeof sql.mergeRows,
    { sql: table, name }: TableName,
    { version, lines }: Snapshot,
    shard: string,
    deadline: Deadline,
  ): Promise<void> {
    return this.host.runOn(
      shard,
      async (tx) => {
        tx.send(sql.pinSession(table));
        const advanced = await tx.query(sql.advanceVersion(name, version));
        if (advanced.length === 0) return;
        const columns = await tx.query<sql.Column>(sql.writableColumns(table));
        for (const statement of change(table, columns, lines)) tx.send(statement);
      },
      deadline,
    );
  }
}

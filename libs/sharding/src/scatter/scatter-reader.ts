import { LRUCache } from 'lru-cache';
import type { DataSource, EntityMetadata } from 'typeorm';
import type { Statement } from '../pool/statement.js';
import { RowReader } from '../repository/row-reader.js';
import type { EntityClass, RowOf } from '../repository/sharded.decorator.js';
import { quoted, tableOf } from '../repository/sql-names.js';
import { StatementNames } from '../repository/statement-names.js';
import { ALIAS, WhereBuilder, type Where } from '../repository/where-builder.js';
import { shardingErrors } from '../sharding.errors.js';
import { decodeCursor, encodeCursor } from './cursor.js';
import { afterKeys } from './keyset.js';
import { mergeOrdered } from './merge.js';
import { planOrder, type Direction, type Keys, type OrderPlan } from './order-plan.js';

export type ScatterOrder<E extends EntityClass> = { readonly [P in keyof RowOf<E>]?: Direction };

export interface ScatterQuery<E extends EntityClass> {
  /** As in TypeORM's `find`, on the entity's own columns. @default every row */
  readonly where?: Where<E>;
  /**
   * Properties and their directions, the first one first. The primary key follows by itself, so that no two rows share a
   * place. NULLs come last, up or down; text is ordered by code point. @default the primary key, ascending
   */
  readonly order?: ScatterOrder<E>;
  /** Items of the page, from 1 up; what a client may ask for is bounded by the caller. */
  readonly limit: number;
  /** `nextCursor` of the page before, under the same order. */
  readonly cursor?: string;
  /** Items to leave out first, after the cursor if there is one. Each shard reads them all: at most `maxOffset`. @default 0 */
  readonly offset?: number;
}

export interface ScatterPage<T> {
  readonly items: T[];
  /** Where the next page starts; absent on the last one. */
  readonly nextCursor?: string;
}

/** Sends a statement to every shard and gives the rows of each. */
export type AskShards = <R>(statement: Statement) => Promise<R[][]>;

const ORDERS_KEPT = 64;

/** Reads one entity over all shards: makes the statement, merges what comes back, hydrates what is on the page. */
export class ScatterReader<E extends EntityClass> {
  private readonly rows: RowReader;
  private readonly conditions: WhereBuilder;
  private readonly table: string;
  private readonly orders = new LRUCache<string, OrderPlan>({ max: ORDERS_KEPT });

  constructor(
    source: DataSource,
    private readonly metadata: EntityMetadata,
    private readonly names: StatementNames,
  ) {
    this.rows = new RowReader(source, metadata, ALIAS);
    this.conditions = new WhereBuilder(source, metadata);
    this.table = `${tableOf(metadata)} ${quoted(ALIAS)}`;
  }

  /** @throws RK_SHARDING_BAD_PAGE, _OFFSET_TOO_LARGE, _BAD_CURSOR, _BAD_SCATTER */
  async page(query: ScatterQuery<E>, maxOffset: number, ask: AskShards): Promise<ScatterPage<RowOf<E>>> {
    const { limit, offset = 0 } = query;
    checkWhole('limit', limit, 1);
    checkWhole('offset', offset, 0);
    if (offset > maxOffset) {
      throw shardingErrors.create('OFFSET_TOO_LARGE', { data: { offset, limit: maxOffset } });
    }
    const order = this.orderOf(query.order ?? {});
    const after = query.cursor === undefined ? undefined : decodeCursor(order, query.cursor);
    // One row more than the page tells whether another page follows.
    const wanted = limit + 1;
    const lists = await ask<unknown[]>(this.statement(query.where, order, after, offset, wanted));
    const ranked = lists.map((list) => list.map((values) => new RankedRow(values, order)));
    for (const [first] of ranked) first?.check(this.metadata);
    const merged = mergeOrdered(ranked, (a, b) => order.compare(a.keys, b.keys), wanted, offset);
    const taken = merged.slice(0, limit);
    const items: RowOf<E>[] = [];
    for (const row of taken) {
      items.push((await this.rows.entityOf(row.values, order.terms.length)) as RowOf<E>);
    }
    const last = taken.at(-1);
    if (merged.length <= limit || !last) return { items };
    last.check(this.metadata);
    return { items, nextCursor: last.cursor };
  }

  /** @throws RK_SHARDING_BAD_SCATTER */
  async count(where: Where<E> | undefined, ask: AskShards): Promise<number> {
    const { condition, values } = this.conditions.sqlOf(where);
    const text = `SELECT count(*) FROM ${this.table}${condition && ` WHERE ${condition}`}`;
    const lists = await ask<[string]>({ text, values, name: this.names.nameOf(text), rowMode: 'array' });
    return lists.reduce((sum, [row]) => sum + Number(row?.[0] ?? 0), 0);
  }

  private statement(
    where: Where<E> | undefined,
    { terms, orderBy }: OrderPlan,
    after: Keys | undefined,
    offset: number,
    wanted: number,
  ): Statement {
    const { condition, values: given } = this.conditions.sqlOf(where);
    const values = [...given];
    const place = (value: unknown): string => `$${values.push(value)}`;
    const conditions = condition ? [`(${condition})`] : [];
    if (after) conditions.push(afterKeys(terms, after, place));
    // As a number in the text the limit is part of the plan; offsets are too many to be.
    const limit = offset === 0 ? String(wanted) : place(offset + wanted);
    const text =
      `SELECT ${terms.map(({ textSql }) => textSql).join(', ')}, ${this.rows.selection} FROM ${this.table}` +
      (conditions.length > 0 ? ` WHERE ${conditions.join(' AND ')}` : '') +
      ` ORDER BY ${orderBy} LIMIT ${limit}`;
    return { text, values, name: this.names.nameOf(text), rowMode: 'array' };
  }

  private orderOf(order: ScatterOrder<E>): OrderPlan {
    const key = JSON.stringify(Object.entries(order));
    let plan = this.orders.get(key);
    if (!plan) {
      plan = planOrder(this.metadata, order, ALIAS);
      this.orders.set(key, plan);
    }
    return plan;
  }
}

/** A row as it came: the exact keys first, then the columns. */
class RankedRow {
  constructor(
    readonly values: readonly unknown[],
    private readonly order: OrderPlan,
  ) {}

  get keys(): Keys {
    return this.values as Keys;
  }

  get cursor(): string {
    return encodeCursor(this.order, this.keys.slice(0, this.order.terms.length));
  }

  /** What the order relies on: columns that are NULL only where the mapping says so, text that PostgreSQL wrote as expected. */
  check(metadata: EntityMetadata): void {
    this.order.terms.forEach(({ property, nullable, kind }, i) => {
      const key = this.keys[i]!;
      if (key === null ? nullable : kind.valid(key)) return;
      const reason =
        key === null
          ? `"${property}" is NULL in a row, but not nullable in the mapping`
          : `"${property}" reads ${key.slice(0, 40)}: is its type the one in the mapping, and DateStyle ISO?`;
      throw shardingErrors.create('BAD_SCATTER', { data: { entity: metadata.name, reason } });
    });
  }
}

function checkWhole(what: string, given: number, least: number): void {
  if (!Number.isSafeInteger(given) || given < least) {
    throw shardingErrors.create('BAD_PAGE', { data: { what, least, given: String(given) } });
  }
}

import { createHash } from 'node:crypto';
import type { EntityMetadata } from 'typeorm';
import { quoted, tableOf } from '../repository/sql-names.js';
import { shardingErrors } from '../sharding.errors.js';
import { keyKindOf, type KeyKind } from './key-kinds.js';

export type Direction = 'ASC' | 'DESC';

/** One column of an order. */
export interface OrderTerm {
  readonly property: string;
  /** The column as SQL compares it. */
  readonly sql: string;
  /** The column's exact text. */
  readonly textSql: string;
  readonly descending: boolean;
  readonly nullable: boolean;
  readonly kind: KeyKind;
}

/** The values of a row in the columns of an order, as PostgreSQL writes them. */
export type Keys = readonly (string | null)[];

/** An order that no two rows of the cluster share a place in, that every shard and this process agree on. */
export interface OrderPlan {
  readonly terms: readonly OrderTerm[];
  readonly orderBy: string;
  /** Ties a cursor to the order it was made under. */
  readonly fingerprint: string;
  readonly compare: (a: Keys, b: Keys) => number;
}

/**
 * Plans an order of properties. The primary key is added at the end unless it is in it, since other columns may be equal
 * in many rows, or unique on each shard only. NULLs come last, up or down.
 * @throws RK_SHARDING_BAD_SCATTER
 */
export function planOrder(
  metadata: EntityMetadata,
  order: Readonly<Record<string, Direction | undefined>>,
  alias: string,
): OrderPlan {
  const terms: OrderTerm[] = [];
  const given = Object.entries(order).filter((entry): entry is [string, Direction] => entry[1] !== undefined);
  for (const [property, direction] of given) {
    if (direction !== 'ASC' && direction !== 'DESC') {
      throw bad(metadata, `the direction of "${property}" is neither ASC nor DESC`);
    }
    terms.push(termOf(metadata, property, direction === 'DESC', alias));
  }
  const descending = terms.at(-1)?.descending ?? false;
  for (const { propertyPath } of metadata.primaryColumns) {
    if (!given.some(([property]) => property === propertyPath)) {
      terms.push(termOf(metadata, propertyPath, descending, alias));
    }
  }
  const orderBy = terms
    .map(({ sql, descending: down, nullable }) =>
      down ? `${sql} DESC${nullable ? ' NULLS LAST' : ''}` : sql,
    )
    .join(', ');
  return {
    terms,
    orderBy,
    fingerprint: createHash('sha256')
      .update(JSON.stringify([tableOf(metadata), terms.map((t) => [t.property, t.descending, t.nullable])]))
      .digest('base64url')
      .slice(0, 12),
    compare: (a, b) => compareKeys(terms, a, b),
  };
}

function termOf(metadata: EntityMetadata, property: string, descending: boolean, alias: string): OrderTerm {
  const column = metadata.columns.find(
    ({ propertyPath, isVirtual, isVirtualProperty }) =>
      propertyPath === property && !isVirtual && !isVirtualProperty,
  );
  if (!column) throw bad(metadata, `it has no column for "${property}"`);
  const type =
    typeof column.type === 'string' ? column.type : metadata.connection.driver.normalizeType(column);
  const kind = column.isArray ? undefined : keyKindOf(type);
  if (!kind) {
    throw bad(metadata, `"${property}" (${type}) can be ordered by PostgreSQL alone, not across shards`);
  }
  const sql = `${quoted(alias)}.${quoted(column.databaseName)}`;
  return {
    property,
    sql: sql + (kind.collation ?? ''),
    textSql: `${sql}::text`,
    descending,
    nullable: column.isNullable,
    kind,
  };
}

function compareKeys(terms: readonly OrderTerm[], a: Keys, b: Keys): number {
  for (let i = 0; i < terms.length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    if (x === y) continue;
    if (x === null) return 1;
    if (y === null) return -1;
    const { kind, descending } = terms[i]!;
    const difference = kind.compare(x, y);
    if (difference !== 0) return descending ? -difference : difference;
  }
  return 0;
}

function bad(metadata: EntityMetadata, reason: string): Error {
  return shardingErrors.create('BAD_SCATTER', { data: { entity: metadata.name, reason } });
}

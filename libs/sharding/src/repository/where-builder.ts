import type { DataSource, EntityMetadata, FindOptionsWhere, SelectQueryBuilder } from 'typeorm';
import { shardingErrors } from '../sharding.errors.js';
import type { EntityClass, RowOf } from './sharded.decorator.js';

export type Where<E extends EntityClass> = FindOptionsWhere<RowOf<E>> | FindOptionsWhere<RowOf<E>>[];

/** Name by which conditions call the table. */
export const ALIAS = 'e';

export interface WhereSql {
  /** `''`, or a condition on table `e` with placeholders from `$1` on. */
  readonly condition: string;
  readonly values: readonly unknown[];
}

/**
 * A `where` of TypeORM as SQL, made by TypeORM's own builder: operators, transformers and soft deletion mean what they mean
 * in `find`. `undefined` and `null` as values are refused there: they would match everything or nothing.
 */
export class WhereBuilder {
  private readonly head: string;
  private readonly everything: WhereSql;

  constructor(
    private readonly source: DataSource,
    private readonly metadata: EntityMetadata,
  ) {
    [this.head] = this.select().withDeleted().getQueryAndParameters();
    this.everything = this.build(undefined);
  }

  /** @throws RK_SHARDING_BAD_SCATTER for a condition on a relation, or one that TypeORM refuses */
  sqlOf<E extends EntityClass>(where: Where<E> | undefined): WhereSql {
    if (where === undefined) return this.everything;
    if (Array.isArray(where) && where.length === 0) {
      throw this.bad('of no alternatives none can match, but TypeORM would let every row through');
    }
    for (const part of Array.isArray(where) ? where : [where]) {
      for (const key of Object.keys(part)) {
        if (
          this.metadata.findRelationWithPropertyPath(key) &&
          !this.metadata.findColumnWithPropertyPathStrict(key)
        ) {
          throw this.bad(`"${key}" is a relation, whose rows may be on another shard`);
        }
      }
    }
    return this.build(where);
  }

  private build(where: Where<EntityClass> | undefined): WhereSql {
    try {
      const [sql, values] = this.select()
        .setFindOptions({ where, loadEagerRelations: false })
        .getQueryAndParameters();
      if (sql === this.head) return { condition: '', values: [] };
      if (!sql.startsWith(`${this.head} WHERE `)) throw new TypeError(`not a plain condition: ${sql}`);
      return { condition: sql.slice(this.head.length + ' WHERE '.length), values: values as unknown[] };
    } catch (error) {
      throw this.bad(error instanceof Error ? error.message : String(error), error);
    }
  }

  private select(): SelectQueryBuilder<object> {
    return this.source.createQueryBuilder<object>(this.metadata.target, ALIAS).select('1');
  }

  private bad(reason: string, cause?: unknown): Error {
    return shardingErrors.create('BAD_SCATTER', { data: { entity: this.metadata.name, reason }, cause });
  }
}

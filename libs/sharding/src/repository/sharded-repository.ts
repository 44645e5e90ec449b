import type { Repository } from 'typeorm';
import { ScatterReader, type ScatterPage, type ScatterQuery } from '../scatter/scatter-reader.js';
import { shardingErrors } from '../sharding.errors.js';
import type { Shards } from '../shards.js';
import type { ShardKey } from '../slots/slot.js';
import type { Mapper } from './mapper.js';
import { placementOf, type EntityClass, type RowOf } from './sharded.decorator.js';
import type { Where } from './where-builder.js';

/** A mapped entity's reads: by key on one shard, or scattered over all. */
export class ShardedRepository<E extends EntityClass> {
  constructor(
    private readonly shards: Shards,
    private readonly mapper: Mapper,
    private readonly entity: E,
  ) {
    placementOf(entity);
  }

  /** TypeORM's repository on the shard of `key`, for reads: what would write is refused. */
  async on(key: ShardKey): Promise<Repository<RowOf<E>>> {
    return (await this.shards.on(key)).repository(this.entity);
  }

  /**
   * A page of the rows of every shard, in one order. Walking on by `nextCursor` meets each row that stays as it is exactly
   * once, whatever is written meanwhile. Costs one statement per shard, each of `offset + limit + 1` rows at most. All or
   * nothing: a shard that is away fails the call.
   * @throws RK_SHARDING_BAD_PAGE, _BAD_CURSOR, _OFFSET_TOO_LARGE for what a client may have sent; _BAD_SCATTER for a
   * query that cannot be asked; what `Shards.scatter` throws
   */
  async scatter(query: ScatterQuery<E>): Promise<ScatterPage<RowOf<E>>> {
    return this.reader().page(query, this.shards.maxOffset, (statement) => this.shards.scatter(statement));
  }

  /** How many rows match, over all shards. @throws RK_SHARDING_BAD_SCATTER; what `Shards.scatter` throws */
  async scatterCount(where?: Where<E>): Promise<number> {
    return this.reader().count(where, (statement) => this.shards.scatter(statement));
  }

  private reader(): ScatterReader<E> {
    if (placementOf(this.entity).kind === 'global') {
      throw shardingErrors.create('BAD_SCATTER', {
        data: {
          entity: this.entity.name,
          reason: 'every shard has all of its rows; read one by shards.global',
        },
      });
    }
    return this.mapper.scatterReaderOf(this.entity);
  }
}

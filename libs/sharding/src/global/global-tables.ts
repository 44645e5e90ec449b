import type { Mapper } from '../repository/mapper.js';
import { placementOf, type EntityClass } from '../repository/sharded.decorator.js';
import { tableOf } from '../repository/sql-names.js';
import { shardingErrors } from '../sharding.errors.js';
import type { Shards } from '../shards.js';
import { GlobalCopies, type GlobalHost, type TableName } from './global-copies.js';
import { GlobalFanOut, type GlobalFanOutOptions } from './global-fan-out.js';
import { GlobalTable, type GlobalVerification } from './global-table.js';

/** Every reference table of a cluster. */
export class GlobalTables {
  readonly copies: GlobalCopies;
  private readonly fanOut: GlobalFanOut;
  private readonly entities: readonly EntityClass[];

  constructor(
    private readonly shards: Shards,
    private readonly host: GlobalHost,
    private readonly mapper: Mapper,
    entities: readonly EntityClass[],
    options: GlobalFanOutOptions,
  ) {
    this.entities = entities.filter((entity) => isGlobal(entity));
    this.copies = new GlobalCopies(host);
    const tables = (): TableName[] => this.entities.map((entity) => this.nameOf(entity));
    this.fanOut = new GlobalFanOut(host, this.copies, tables, options);
  }

  /** @throws RK_SHARDING_NOT_GLOBAL, _NOT_SHARDED */
  table<E extends EntityClass>(entity: E): GlobalTable<E> {
    if (placementOf(entity).kind !== 'global') {
      throw shardingErrors.create('NOT_GLOBAL', { data: { entity: entity.name } });
    }
    return new GlobalTable(this.shards, this.host, this.copies, this.fanOut, entity, this.nameOf(entity));
  }

  /** `GlobalTable.verify` of every one. */
  async verify(): Promise<GlobalVerification[]> {
    const found: GlobalVerification[] = [];
    for (const entity of this.entities) found.push(await this.table(entity).verify());
    return found;
  }

  /** Brings every copy that is behind up to date, now. Gives how many were. */
  catchUp(): Promise<number> {
    return this.fanOut.catchUp();
  }

  /** Begins to finish what other writers left behind. One per replica; any number may run. */
  start(): void {
    this.fanOut.start();
  }

  /** A shard is back: what it missed is looked for soon. */
  wake(): void {
    this.fanOut.wake();
  }

  stop(): Promise<void> {
    return this.fanOut.stop();
  }

  private nameOf(entity: EntityClass): TableName {
    const metadata = this.mapper.metadataOf(entity);
    return { sql: tableOf(metadata), name: metadata.tablePath };
  }
}

function isGlobal(entity: EntityClass): boolean {
  try {
    return placementOf(entity).kind === 'global';
  } catch {
    // An entity that is neither is told so when it is asked for.
    return false;
  }
}

import { DataSource, type EntityManager, type EntityMetadata, type QueryRunner } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import type { Statement, StatementResult } from '../pool/statement.js';
import { ScatterReader } from '../scatter/scatter-reader.js';
import { shardingErrors } from '../sharding.errors.js';
import { InsertPlans } from './insert-plans.js';
import { ReadQueryRunner, TransactionQueryRunner, type TransactionSink } from './lent-query-runner.js';
import type { EntityClass } from './sharded.decorator.js';
import { StatementNames } from './statement-names.js';

/** The metadata of entities and TypeORM's builders on them, with no connection anywhere. */
class MappedSource extends DataSource {
  async load(): Promise<void> {
    await this.buildMetadatas();
  }

  /** TypeORM asks for one where a manager has none of its own, that is, where nobody said which shard is meant. */
  override createQueryRunner(): QueryRunner {
    throw shardingErrors.create('MISSING_KEY', {
      data: { what: "TypeORM's DataSource stands for no shard" },
    });
  }
}

/**
 * TypeORM on the library's pools and transactions. One DataSource that connects to nothing holds the mapping; a manager is
 * bound to a transaction or to the reads of one shard, and what it sends waits, counts and is bounded like everything
 * else. So no shard need be up for the mapper to be there.
 */
export class Mapper {
  readonly source: DataSource;
  private readonly mapped: MappedSource;
  private readonly driver: PostgresDriver;
  private loaded: Promise<void> | undefined;
  private readonly readers = new Map<string, EntityManager>();
  private readonly managers = new WeakMap<TransactionSink, EntityManager>();
  private readonly inserts: InsertPlans;
  private readonly scatters = new Map<EntityClass, unknown>();
  private readonly scatterNames = new StatementNames('scatter');

  constructor(
    entities: readonly EntityClass[],
    private readonly read: (shard: string, statement: Statement) => Promise<StatementResult<object>>,
  ) {
    this.mapped = new MappedSource({ type: 'postgres', entities: [...entities] });
    this.source = this.mapped;
    this.driver = this.mapped.driver as PostgresDriver;
    // What it would learn of the server when it connects.
    this.driver.isGeneratedColumnsSupported = true;
    this.inserts = new InsertPlans(this.mapped);
  }

  /** Reads the entities; once, at start. */
  load(): Promise<void> {
    this.loaded ??= this.mapped.load();
    return this.loaded;
  }

  metadataOf(entity: EntityClass): EntityMetadata {
    return this.mapped.getMetadata(entity);
  }

  insertStatement(entity: EntityClass, row: object): Statement {
    return this.inserts.statementFor(entity, row);
  }

  /** What reads an entity over all shards; one per entity, since it remembers its plans. */
  scatterReaderOf<E extends EntityClass>(entity: E): ScatterReader<E> {
    let reader = this.scatters.get(entity) as ScatterReader<E> | undefined;
    if (!reader) {
      reader = new ScatterReader<E>(this.source, this.metadataOf(entity), this.scatterNames);
      this.scatters.set(entity, reader);
    }
    return reader;
  }

  /** The manager of a transaction: always the same one, so that nested transactions count their savepoints together. */
  managerFor(tx: TransactionSink): Promise<EntityManager> {
    let manager = this.managers.get(tx);
    if (!manager) {
      manager = this.mapped.createEntityManager(new TransactionQueryRunner(this.driver, tx));
      this.managers.set(tx, manager);
    }
    return Promise.resolve(manager);
  }

  /** The manager of a shard's reads. */
  managerOn(shard: string): EntityManager {
    let manager = this.readers.get(shard);
    if (!manager) {
      const runner = new ReadQueryRunner(this.driver, (statement) => this.read(shard, statement));
      manager = this.mapped.createEntityManager(runner);
      this.readers.set(shard, manager);
    }
    return manager;
  }
}

import type { DataSource, EntityMetadata } from 'typeorm';
import { LRUCache } from 'lru-cache';
import type { Statement } from '../pool/statement.js';
import { shardingErrors } from '../sharding.errors.js';
import type { EntityClass } from './sharded.decorator.js';
import { quoted, tableOf } from './sql-names.js';
import { StatementNames } from './statement-names.js';

type ColumnMetadata = EntityMetadata['columns'][number];

interface InsertPlan {
  readonly text: string;
  readonly name: string | undefined;
  readonly columns: readonly (readonly [key: string, column: ColumnMetadata])[];
  /** Values that follow those of the row. */
  readonly constants: readonly unknown[];
}

/**
 * Inserts by the mapping of an entity: one statement per set of properties given. `undefined` leaves a column to its
 * default, `null` is NULL; transformers and TypeORM's own conversions apply; columns that the database generates and those
 * mapped with `insert: false` are left out, so that a row which was read may be written elsewhere; a version starts at 1.
 */
export class InsertPlans {
  private readonly plans = new Map<EntityClass, LRUCache<string, InsertPlan>>();
  private readonly names = new StatementNames('insert', 256, 1);

  constructor(private readonly source: DataSource) {}

  /** @throws RK_SHARDING_UNMAPPED for a property without a column of its own: a relation, an embedded object, a typo */
  statementFor(entity: EntityClass, row: object): Statement {
    const given = row as Readonly<Record<string, unknown>>;
    const keys = Object.keys(given).filter((key) => given[key] !== undefined);
    let plans = this.plans.get(entity);
    if (!plans) {
      plans = new LRUCache({ max: 256 });
      this.plans.set(entity, plans);
    }
    const shape = keys.join('\u0000');
    let plan = plans.get(shape);
    if (!plan) {
      plan = this.make(entity, keys);
      plans.set(shape, plan);
    }
    const { driver } = this.source;
    const values = plan.columns.map(([key, column]) => {
      const value: unknown = driver.preparePersistentValue(given[key], column);
      return value;
    });
    return { name: plan.name, text: plan.text, values: [...values, ...plan.constants] };
  }

  private make(entity: EntityClass, keys: readonly string[]): InsertPlan {
    const metadata = this.source.getMetadata(entity);
    const columns = keys.flatMap((key): [string, ColumnMetadata][] => {
      const column = ownColumn(metadata, key);
      if (!column) {
        throw shardingErrors.create('UNMAPPED', { data: { entity: entity.name, property: key } });
      }
      return column.isInsert && column.generatedType === undefined ? [[key, column]] : [];
    });
    const names = columns.map(([, column]) => column.databaseName);
    const constants: unknown[] = [];
    const { versionColumn } = metadata;
    if (versionColumn && !names.includes(versionColumn.databaseName)) {
      names.push(versionColumn.databaseName);
      constants.push(1);
    }
    const text =
      names.length === 0
        ? `INSERT INTO ${tableOf(metadata)} DEFAULT VALUES`
        : `INSERT INTO ${tableOf(metadata)} (${names.map(quoted).join(', ')}) ` +
          `VALUES (${names.map((_, i) => `$${i + 1}`).join(', ')})`;
    return { text, name: this.names.nameOf(text), columns, constants };
  }
}

/** The column of a property; none for what a relation or a query makes up. */
function ownColumn(metadata: EntityMetadata, key: string): ColumnMetadata | undefined {
  return metadata.columns.find(
    (column) => column.propertyPath === key && !column.isVirtual && !column.isVirtualProperty,
  );
}

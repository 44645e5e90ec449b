import type { DataSource, EntityMetadata } from 'typeorm';
import { quoted } from './sql-names.js';

/**
 * Types whose values TypeORM takes from the driver as they are. Asking it costs more than reading the row, so it is asked
 * for the others only; the spec holds what comes out against `find`.
 */
const AS_THEY_ARE = new Set<unknown>([
  ...[String, 'text', 'varchar', 'character varying', 'uuid', 'boolean', 'bool', 'json', 'jsonb', 'bytea'],
  ...['smallint', 'int2', 'integer', 'int', 'int4', 'bigint', 'int8', 'numeric', 'decimal', 'real', 'float4'],
  ...['double precision', 'float8', 'float', 'timestamp', 'timestamptz'],
  ...['timestamp with time zone', 'timestamp without time zone'],
]);

type ColumnMetadata = EntityMetadata['columns'][number];

/**
 * Rows as entities by their mapping: conversions, transformers, embedded objects and `@AfterLoad` as TypeORM has them, at
 * the cost of the columns alone. Relations are not read.
 */
export class RowReader {
  private readonly columns: readonly ColumnMetadata[];
  private readonly converted: readonly boolean[];
  /** What to select, in the order in which `entityOf` takes it. */
  readonly selection: string;

  constructor(
    private readonly source: DataSource,
    private readonly metadata: EntityMetadata,
    alias: string,
  ) {
    this.columns = metadata.columns.filter(
      ({ isSelect, isVirtual, isVirtualProperty }) => isSelect && !isVirtual && !isVirtualProperty,
    );
    this.converted = this.columns.map(({ type, transformer }) => !!transformer || !AS_THEY_ARE.has(type));
    this.selection = this.columns
      .map(({ databaseName }) => `${quoted(alias)}.${quoted(databaseName)}`)
      .join(', ');
  }

  /** @param values of the columns selected, from `values[from]` on */
  async entityOf(values: readonly unknown[], from = 0): Promise<object> {
    const { driver } = this.source;
    const entity = this.metadata.create(undefined, { fromDeserializer: true }) as object;
    this.columns.forEach((column, i) => {
      const value: unknown = values[from + i];
      column.setEntityValue(entity, this.converted[i] ? driver.prepareHydratedValue(value, column) : value);
    });
    for (const listener of this.metadata.afterLoadListeners) {
      if (listener.isAllowed(entity)) await listener.execute(entity);
    }
    return entity;
  }
}

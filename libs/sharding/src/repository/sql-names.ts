import type { EntityMetadata } from 'typeorm';

/** A name as SQL takes it, whatever letters it has. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The table of an entity, with its schema where the mapping names one. */
export function tableOf(metadata: EntityMetadata): string {
  const table = quoted(metadata.tableName);
  return metadata.schema ? `${quoted(metadata.schema)}.${table}` : table;
}

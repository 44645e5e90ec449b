import type { MigratorOptions, ShardingOptions } from '@rookery/sharding';

/** What the migrator needs of the options that a site gives its shards. */
export function migratorOptions({ shards, controlUrl, migrations = [] }: ShardingOptions): MigratorOptions {
  return { shards, migrations, ...(controlUrl === undefined ? {} : { controlUrl }) };
}

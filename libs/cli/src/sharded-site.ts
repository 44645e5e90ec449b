import type { ShardingOptions } from '@rookery/sharding';

/** What commands about shards need of a site: its options, as its replicas use them. */
export interface ShardedSite {
  readonly sharding: ShardingOptions;
}

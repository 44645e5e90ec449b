import type { Meter } from '@rookery/kernel';
import type { EntityClass } from './repository/sharded.decorator.js';
import type { Migration } from './migrations/migration.js';

export interface ShardTarget {
  /** Name of the shard, kept in its database at the first migration. @default 's1', 's2', … by position */
  readonly name?: string;
  /** `postgres://user:password@host:port/database` */
  readonly url: string;
}

export interface ShardingOptions {
  /** Every shard of the cluster, always in the same order. */
  readonly shards: readonly ShardTarget[];
  /** Database of the published slot map. @default the first shard */
  readonly controlUrl?: string;
  /** Entities that carry `@Sharded` or `@Global`. @default [] */
  readonly entities?: readonly EntityClass[];
  /** The site's own migrations; the framework's come first by themselves. @default [] */
  readonly migrations?: readonly Migration[];
  /** Connections per shard and replica, not counting the one that watches the slot map. @default 10 */
  readonly poolMax?: number;
  /** Callers that may wait for a connection of one shard before more are turned away. @default 1000 */
  readonly poolMaxWaiting?: number;
  /** Milliseconds for work outside a request, which has no deadline of its own. @default 5000 */
  readonly defaultDeadlineMs?: number;
  /** Milliseconds to open a connection. @default 5000 */
  readonly connectTimeoutMs?: number;
  /** Milliseconds between two looks at a shard's version of the slot map. @default 1000 */
  readonly pollMs?: number;
  /** Milliseconds for which a shard's slots may be read without having been confirmed. @default 3000 */
  readonly leaseMs?: number;
  /**
   * Hot statements run as named prepared ones and a session's `statement_timeout` is kept between calls. Say false
   * behind PgBouncer in transaction mode before 1.21. @default true
   */
  readonly sessionState?: boolean;
  /** Largest OFFSET that a scatter takes. @default 10000 */
  readonly maxOffset?: number;
  /** @default a meter that records nothing */
  readonly meter?: Meter;
  /** Told of what went wrong in the background. @default nothing */
  readonly onWarning?: (message: string, error?: unknown) => void;
  /** Name shown in `pg_stat_activity`. @default 'rookery' */
  readonly applicationName?: string;
}

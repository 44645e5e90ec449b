import type { Migration } from '@rookery/sharding';
import { eventsSchema as logSchema } from './log/log.schema.js';
import { processesEnded } from './process/process.schema.js';

/** What every shard needs of this library: to be given to `ShardingModule` among the site's migrations. */
export const eventsSchema: readonly Migration[] = [...logSchema, processesEnded];

import type { Migration } from '@rookery/sharding';
import { adoption, fenceByRow, groups, incarnation, log } from './log/log.schema.js';
import { presence, presenceBelieved } from './presence/presence.schema.js';
import { processes, processesEnded } from './process/process.schema.js';

/** What every shard needs of this library: to be given to `ShardingModule` among the site's migrations. */
export const eventsSchema: readonly Migration[] = [
  log,
  groups,
  adoption,
  processes,
  incarnation,
  presence,
  presenceBelieved,
  fenceByRow,
  processesEnded,
];

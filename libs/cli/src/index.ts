export { cacheExplain } from './cache/cache-explain.js';
export { cacheInvalidate } from './cache/cache-invalidate.js';
export { cacheStats } from './cache/cache-stats.js';
export type { CacheSite } from './cache/cache-site.js';
export { capacity } from './capacity/capacity.js';
export {
  planCapacity,
  type CapacityFacts,
  type CapacityPlan,
  type ServerFacts,
} from './capacity/plan-capacity.js';
export type { CliCommand, CliFlag, CliOptions, CliStream, Closable, CommandCall } from './cli.options.js';
export { edgeRender } from './edge/edge-render.js';
export {
  edgeRun,
  type EdgeOperations,
  type EdgeRunDefaults,
  type OperationsAt,
  type ServedOperations,
} from './edge/edge-run.js';
export { eventsGroups } from './events/events-groups.js';
export { eventsParked } from './events/events-parked.js';
export { eventsProcesses } from './events/events-processes.js';
export {
  eventsRebuild,
  type ReadModelDifference,
  type ReadModelSite,
  type SiteReadModel,
} from './events/events-rebuild.js';
export { eventsReplay } from './events/events-replay.js';
export { eventsSkip } from './events/events-skip.js';
export { eventsTopics, type EventsSite } from './events/events-topics.js';
export type { GroupReport } from './events/merge-groups.js';
export { migrateStatus } from './migrate/migrate-status.js';
export { migrateUp } from './migrate/migrate-up.js';
export { runCli } from './run-cli.js';
export type { ShardedSite } from './sharded-site.js';
export { shardsStatus, type ShardReport } from './shards/shards-status.js';
export type { ConnectionFigures, ShardFigures, TableFigures } from './shards/shard-figures.js';
export type { SlotRange } from './shards/slot-ranges.js';
export type { Colour, Output } from './terminal/output.js';
export type { Progress } from './terminal/progress.js';
export { UsageFault } from './usage-fault.js';

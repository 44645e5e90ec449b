export {
  Directory,
  type DirectoryChange,
  type DirectoryStep,
  type UniqueValue,
} from './directory/directory.js';
export type { CopySummary } from './global/global-copies.js';
export {
  GlobalTable,
  type CopyState,
  type GlobalTransaction,
  type GlobalVerification,
  type GlobalWrite,
} from './global/global-table.js';
export { GlobalTables } from './global/global-tables.js';
export { defineMigration, type Migration } from './migrations/migration.js';
export {
  Migrator,
  type MigrationStep,
  type MigratorOptions,
  type ShardMigrationStatus,
} from './migrations/migrator.js';
export type { PoolState } from './pool/shard-pool.js';
export { prepared, type Statement, type StatementResult } from './pool/statement.js';
export { ShardedRepository } from './repository/sharded-repository.js';
export { Global, Sharded, type EntityClass, type RowOf } from './repository/sharded.decorator.js';
export { compareText, mergeOrdered } from './scatter/merge.js';
export type { Direction } from './scatter/order-plan.js';
export type { ScatterOrder, ScatterPage, ScatterQuery } from './scatter/scatter-reader.js';
export { Shards, type ShardHandle, type ShardStatus } from './shards.js';
export { shardingErrors } from './sharding.errors.js';
export { ShardingModule } from './sharding.module.js';
export type { ShardingOptions, ShardTarget } from './sharding.options.js';
export {
  atSlot,
  natural,
  slotOf,
  slotOfNaturalKey,
  type NaturalKey,
  type ShardKey,
  type SlotKey,
} from './slots/slot.js';
export { SHORT_CODE_LENGTH, shortCodeOf, slotOfShortCode } from './slots/short-code.js';
export type { EventOutbox, OutgoingEvent } from './transaction/event-outbox.js';
export { currentTransaction, type ShardTransaction } from './transaction/shard-transaction.js';
export type { Isolation, TransactionOptions } from './transaction/transaction-runner.js';

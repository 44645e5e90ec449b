import { defineErrors } from '@rookery/kernel';

export const shardingErrors = defineErrors('SHARDING', {
  MISSING_KEY: { status: 500, message: 'a shard key is needed here: {what}' },
  SHARD_UNAVAILABLE: { status: 503, message: 'shard {shard} does not answer', retryable: true },
  SLOT_UNOWNED: { status: 503, message: 'no reachable shard owns slot {slot}', retryable: true },
  SLOT_CLOSED: {
    status: 503,
    message: 'slot {slot} is being moved and did not open in time',
    retryable: true,
  },
  STALE_ROUTE: {
    status: 503,
    message: 'slot {slot} is not open at shard {shard} under epoch {epoch}',
    retryable: true,
  },
  FOREIGN_SLOT: {
    status: 500,
    message: 'a transaction on slot {slot} touched a row or key of slot {foreign}',
  },
  CROSS_SHARD: {
    status: 500,
    message: 'a transaction on shard {shard} touched shard {other}; split it, or use the directory',
  },
  POOL_EXHAUSTED: {
    status: 503,
    message: 'more than {limit} callers wait for a connection to shard {shard}',
    retryable: true,
  },
  CONNECTION_LOST: { status: 503, message: 'the connection to shard {shard} broke', retryable: true },
  COMMIT_UNKNOWN: {
    status: 503,
    message: 'the connection to shard {shard} broke during COMMIT: the write may or may not stand',
  },
  ROLLED_BACK: {
    status: 500,
    message: 'COMMIT at shard {shard} answered ROLLBACK: a statement of the transaction had failed',
  },
  TRANSACTION_OVER: { status: 500, message: 'this transaction has ended; nothing more can be sent on it' },
  NO_OUTBOX: {
    status: 500,
    message: 'nothing takes events here: import EventsModule, or give Shards an outbox',
  },
  CONTENTION: {
    status: 503,
    message: 'the transaction met {state} {attempts} times in a row at shard {shard}',
    retryable: true,
  },
  NOT_SHARDED: { status: 500, message: '{entity} carries neither @Sharded nor @Global' },
  NOT_GLOBAL: { status: 500, message: '{entity} does not carry @Global' },
  UNMAPPED: { status: 500, message: '{entity} has no column of its own for "{property}"' },
  BAD_SCATTER: { status: 500, message: 'a scatter over {entity} cannot be asked this way: {reason}' },
  WRITE_OUTSIDE_TRANSACTION: {
    status: 500,
    message: 'TypeORM was about to send {verb} outside a transaction: write inside shards.transaction(key)',
  },
  NESTED_COMMIT: {
    status: 500,
    message: 'TypeORM was about to {what}: the transaction belongs to shards.transaction(key)',
  },
  GLOBAL_WRITE: {
    status: 500,
    message: 'a row of reference data was written past shards.global(entity).write',
  },
  BAD_CURSOR: { status: 400, message: 'not a cursor of this query' },
  BAD_PAGE: { status: 400, message: '{what} is a whole number from {least} up, not {given}' },
  OFFSET_TOO_LARGE: { status: 400, message: 'an offset of {offset} is over {limit}: page with a cursor' },
  TAKEN: { status: 409, message: '{kind} is taken' },
  CLAIM_LOST: {
    status: 503,
    message: 'the reservation ran out before its transaction committed; nothing was written',
    retryable: true,
  },
  IDENTITY: {
    status: 500,
    message:
      'the database at position {position} of the shards says it is {found}, not {expected}: were the URLs reordered, or is it another cluster?',
  },
  SCHEMA_OLDER: {
    status: 503,
    message: 'shard {shard} lacks the migrations {missing}: run `npx rookery migrate up`',
  },
  SCHEMA_NEWER: {
    status: 503,
    message:
      'shard {shard} has migrations this version does not know ({unknown}): deploy a newer version of the site',
  },
  MIGRATION_CHANGED: {
    status: 500,
    message: 'migration {id} was applied at shard {shard} with another text: write a new one instead',
  },
  MIGRATION_FAILED: { status: 500, message: 'migration {id} failed at shard {shard}: {reason}' },
});

import type { ShardTransaction } from './shard-transaction.js';

/** What a transaction publishes: made by an event's definition, never by hand. */
export interface OutgoingEvent {
  readonly type: string;
  /** Events of one key are delivered in the order of their commits. */
  readonly key: string;
  readonly data: unknown;
}

/**
 * Port: where a transaction's events go. Promises: what was published is written in the same commit, in the order it was
 * published, or not at all. `publish` checks at once and throws coded errors; it sends nothing before COMMIT is near.
 */
export interface EventOutbox {
  publish(tx: ShardTransaction, events: readonly OutgoingEvent[]): void;
}

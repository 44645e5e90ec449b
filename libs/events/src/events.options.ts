import { noopMeter, type Meter } from '@rookery/kernel';
import type { AnyEventDefinition } from './definition/define-event.js';
import type { RetryOptions } from './handling/retry-policy.js';
import type { KafkaOptions } from './kafka/kafka.options.js';

export interface EventsOptions {
  /** Every event this site publishes or handles. */
  readonly events: readonly AnyEventDefinition[];
  /** Name of this process among the replicas; two at once must not have the same. */
  readonly replicaId: string;
  /** Where events travel by Kafka. @default each group reads the logs itself, and nothing but PostgreSQL is needed */
  readonly kafka?: KafkaOptions;
  /** @default the defaults of `RetryOptions` */
  readonly retries?: RetryOptions;
  /** Most bytes of one event's data. @default 900000 */
  readonly maxEventBytes?: number;
  /** Where a group that is new begins. @default 'beginning' of what the log still holds */
  readonly newGroups?: 'beginning' | 'now';
  /** Milliseconds for which a lane is held without being renewed. @default 6000 */
  readonly leaseMs?: number;
  /**
   * Milliseconds between two looks at an idle shard: four times as long where NOTIFY is known to be heard, and never longer
   * than until something that is known is due. @default 1000
   */
  readonly pollMs?: number;
  /** Events of a group that are read ahead of their handlers. @default 2000 */
  readonly readAhead?: number;
  /** Events handed to a batch handler at once. @default 256 */
  readonly maxBatch?: number;
  /** Days after which what is read by everybody is dropped. @default 7 */
  readonly retentionDays?: number;
  /**
   * Days for which a process that has ended is remembered, so that it is not begun anew. It is for longer where an event
   * may come again that is as old: from a log, or from a topic that keeps its messages for longer. @default 7
   */
  readonly processRetentionDays?: number;
  /** Longest an answer waits for the handlers that its reader would miss, in milliseconds. @default 250 */
  readonly readAfterWriteMs?: number;
  /** @default a meter that records nothing */
  readonly meter?: Meter;
  /** Told of what went wrong in the background. @default nothing */
  readonly onWarning?: (message: string, error?: unknown) => void;
}

/** For the proofs that a remedy is needed: what this library's own tests take away. */
export interface EventsInternals {
  /** Events may be applied twice. */
  readonly withoutInbox?: boolean;
  /** Reads `seq > last seen` instead of a window between two snapshots. */
  readonly bySequence?: boolean;
  /** A lane is written by whoever believes that it is his. */
  readonly withoutFence?: boolean;
}

export interface EventsSettings extends Required<Omit<EventsOptions, 'retries' | 'kafka'>> {
  readonly retries: RetryOptions;
  readonly kafka?: KafkaOptions;
}

export function settled(options: EventsOptions): EventsSettings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return {
    retries: {},
    maxEventBytes: 900_000,
    newGroups: 'beginning',
    leaseMs: 6_000,
    pollMs: 1_000,
    readAhead: 2_000,
    maxBatch: 256,
    retentionDays: 7,
    processRetentionDays: 7,
    readAfterWriteMs: 250,
    meter: noopMeter,
    onWarning: () => undefined,
    ...(given as unknown as EventsOptions),
  };
}

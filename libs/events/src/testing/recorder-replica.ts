import { setTimeout as pause } from 'node:timers/promises';
import type { Shards, ShardTransaction } from '@rookery/sharding';
import type { ReceivedEvent } from '../definition/stored-event.js';
import type { Events } from '../events.js';
import type { EventsInternals, EventsOptions } from '../events.options.js';
import { record, recorded } from './recorder.js';
import { handling, handlingMany, testEvents } from './test-events.js';

/** The recorder's groups: one that is handed its events one by one, and one that takes them in batches. */
export const RECORDER_GROUPS = ['one', 'many'] as const;

/** What is wrong with the handlers of a replica, for as long as it is told so. */
export interface Misbehaviour {
  /** Keys whose events fail. */
  readonly fails?: readonly string[];
  /** Keys whose events never come to an end. */
  readonly hangs?: readonly string[];
  /** Longest that each handler takes before it is done, in milliseconds. */
  readonly slowMs?: number;
  /** The same, spent in the database: the connection is busy meanwhile. */
  readonly slowStatementMs?: number;
}

export interface RecorderReplicaOptions extends Partial<EventsOptions> {
  readonly concurrency?: number;
  /** Milliseconds a handler may take. @default 5000 */
  readonly timeoutMs?: number;
}

type Written = ReceivedEvent<{ key: string; version: number; writer: number }>;

/** `Events` that handle the recorder's groups on some shards, well or badly. Started by the caller. */
export class RecorderReplica {
  readonly events: Events;
  private wrong: Misbehaviour = {};

  constructor(
    shards: Shards,
    { concurrency, timeoutMs, ...options }: RecorderReplicaOptions = {},
    internals: EventsInternals = {},
  ) {
    const [one, many] = RECORDER_GROUPS;
    const given = { concurrency, timeoutMs };
    this.events = testEvents(
      shards,
      [
        handling(recorded, { group: one, ...given }, async (event, tx) => {
          await this.suffer([event], tx);
          await record.one(one)(event, tx);
        }),
        handlingMany(recorded, { group: many, ...given }, async (events, tx) => {
          await this.suffer(events, tx);
          await record.many(many)(events, tx);
        }),
      ],
      options,
      internals,
    );
  }

  /** From now on, and instead of what it was told before. */
  misbehave(wrong: Misbehaviour): void {
    this.wrong = wrong;
  }

  private async suffer(events: readonly Written[], tx: ShardTransaction): Promise<void> {
    const { fails = [], hangs = [], slowMs = 0, slowStatementMs = 0 } = this.wrong;
    if (slowMs > 0) await pause(Math.random() * slowMs);
    if (slowStatementMs > 0) {
      tx.send({ text: 'SELECT pg_sleep($1)', values: [(Math.random() * slowStatementMs) / 1_000] });
    }
    if (events.some(({ data }) => hangs.includes(data.key))) await new Promise(() => undefined);
    const failing = events.find(({ data }) => fails.includes(data.key));
    if (failing) throw new Refused(`version ${failing.data.version} of ${failing.data.key} is refused`);
  }
}

/** What a handler throws that was told to. */
class Refused extends Error {}

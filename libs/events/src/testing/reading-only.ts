import { noopMeter } from '@rookery/kernel';
import type { Shards } from '@rookery/sharding';
import type { StoredEvent } from '../definition/stored-event.js';
import { BEGINNING } from '../groups/cursor.js';
import { ShardGroups } from '../groups/shard-groups.js';
import { eventsErrors } from '../events.errors.js';

export interface ReadingOnly {
  readonly shards: Shards;
  readonly shard: string;
  readonly group: string;
  readonly types: readonly string[];
  /** Told of each read, at the door that handlers stand behind. */
  readonly onEvents: (events: readonly StoredEvent[]) => void;
}

/**
 * A group that reads one shard's log from its beginning, or from where it was, and handles nothing: every event counts as
 * dealt with. For measuring what reading costs. Returns what ends it.
 */
export async function readOnly(options: ReadingOnly): Promise<() => Promise<void>> {
  const { shards, shard, group, types, onEvents } = options;
  const groups = new ShardGroups({
    shards,
    shard,
    groups: [
      {
        name: group,
        types,
        sinkFor: () => ({
          pending: 0,
          take: (events, _suspect, done) => {
            onEvents(events);
            for (let i = 0; i < events.length; i++) done(true);
          },
          drain: () => Promise.resolve(),
          prepare: () => Promise.resolve(),
          retryDue: () => Promise.resolve(),
        }),
      },
    ],
    replicaId: `reader of ${group}`,
    leaseMs: 6_000,
    pollMs: 1_000,
    readAhead: 2_000,
    meter: noopMeter,
    start: BEGINNING,
    onTimersDue: () => Promise.resolve(),
    onWarning: (message, cause) => {
      throw eventsErrors.create('BAD_HANDLER', { data: { handler: group, reason: message }, cause });
    },
    bySequence: false,
    withoutFence: false,
  });
  await groups.share();
  groups.start();
  return () => groups.stop();
}

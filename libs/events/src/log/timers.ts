import { atSlot, type Shards, prepared } from '@rookery/sharding';
import type { StoredEvent } from '../definition/stored-event.js';
import { appending, type OnCommitted } from './event-log.js';

const MOST = 500;

const due = prepared(
  'rookery.events.timers-due',
  'SELECT id, shard_slot AS slot FROM rookery_event_timer WHERE due_at <= now() ORDER BY due_at LIMIT $1',
);

const take = prepared(
  'rookery.events.timers-take',
  `DELETE FROM rookery_event_timer WHERE id = ANY($1::uuid[])
   RETURNING id, shard_slot AS slot, topic, key, type, version, headers, payload, due_at AS "dueAt"`,
);

interface TimerRow extends Omit<StoredEvent, 'publishedAt' | 'position'> {
  readonly dueAt: Date;
}

/**
 * Appends the events whose time has come, each in one commit with its removal: any number of replicas may do so at once.
 * @returns how many
 */
export async function fireTimers(shards: Shards, shard: string, onCommitted: OnCommitted): Promise<number> {
  const rows = await shards.queryShard<{ id: string; slot: number }>(shard, due(MOST));
  const bySlot = new Map<number, string[]>();
  for (const { id, slot } of rows) bySlot.set(slot, [...(bySlot.get(slot) ?? []), id]);
  let fired = 0;
  for (const [slot, ids] of bySlot) {
    await shards.transaction(atSlot(slot), async (tx) => {
      const taken = await tx.query<TimerRow>(take(ids));
      if (taken.length === 0) return;
      const events = taken
        .sort((a, b) => a.dueAt.getTime() - b.dueAt.getTime())
        .map((row): StoredEvent => ({ ...row, publishedAt: Date.now(), position: '' }));
      tx.send(appending(events));
      tx.afterCommit(() => {
        fired += events.length;
        onCommitted(shard, events);
      });
    });
  }
  return fired;
}

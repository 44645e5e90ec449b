import { currentContext, newId, slotOfId, isId } from '@rookery/kernel';
import {
  currentTransaction,
  natural,
  slotOf,
  type EventOutbox,
  type OutgoingEvent,
  type ShardTransaction,
} from '@rookery/sharding';
import type { DomainEvent } from '../definition/define-event.js';
import type { EventRegistry } from '../definition/event-registry.js';
import type { StoredEvent } from '../definition/stored-event.js';
import { currentDelivery } from '../handling/delivery.js';
import { eventsErrors } from '../events.errors.js';
import * as sql from './log.sql.js';

/** Told of what a transaction published, once it is committed; `later`: some of it is due at a time to come. */
export type OnCommitted = (shard: string, events: readonly StoredEvent[], later?: boolean) => void;

/** What a transaction published: in the log with its commit, beside what is only put down for later. */
interface Outgoing {
  readonly events: StoredEvent[];
  later: boolean;
}

/**
 * The writing side of the log: what a transaction publishes is kept in it until just before COMMIT, then written by one
 * insert that leaves in COMMIT's packet.
 */
export class EventLog implements EventOutbox {
  onCommitted: OnCommitted = () => undefined;

  constructor(
    private readonly registry: EventRegistry,
    private readonly maxBytes: number,
  ) {}

  /** @throws RK_EVENTS_NO_TRANSACTION, and as `publish` */
  publishHere(events: readonly OutgoingEvent[]): void {
    const tx = currentTransaction();
    if (!tx) throw eventsErrors.create('NO_TRANSACTION');
    tx.publish(...events);
  }

  /** @throws RK_EVENTS_UNDECLARED, _TOO_LARGE */
  publish(tx: ShardTransaction, events: readonly OutgoingEvent[]): void {
    const buffer = this.buffer(tx);
    for (const event of events) {
      if (!isDeclared(event, this.registry)) {
        throw eventsErrors.create('UNDECLARED', { data: { type: event.type } });
      }
      const stored = this.store(tx, event);
      if (event.availableAt) {
        buffer.later = true;
        tx.send(later(stored, event.availableAt));
      } else buffer.events.push(stored);
    }
  }

  private store(tx: ShardTransaction, event: DomainEvent): StoredEvent {
    const { type, key, data, definition } = event;
    const payload = JSON.stringify(data);
    const bytes = Buffer.byteLength(payload);
    if (bytes > this.maxBytes) {
      throw eventsErrors.create('TOO_LARGE', { data: { type, bytes, limit: this.maxBytes } });
    }
    const slot = tx.spansSlots ? (isId(key) ? slotOfId(key) : slotOf(natural(key))) : tx.slot;
    const publishedAt = Date.now();
    return {
      id: newId(slot, publishedAt),
      type,
      version: definition.version,
      topic: definition.topic.name,
      key,
      slot,
      payload,
      headers: headersNow(),
      publishedAt,
      position: '',
    };
  }

  private buffer(tx: ShardTransaction): Outgoing {
    if (tx.outgoing) return tx.outgoing as Outgoing;
    const events: StoredEvent[] = [];
    const buffer: Outgoing = { events, later: false };
    tx.outgoing = buffer;
    tx.beforeCommit(() => {
      if (events.length === 0) return;
      // Others act on what they see in the log: it must not be undone by a crash, as its handler's own effect may be.
      if (currentDelivery()) tx.send(durable);
      tx.send(appending(events));
    });
    tx.afterCommit(() => this.onCommitted(tx.shard, events, buffer.later));
    return buffer;
  }

  /** What a transaction has published so far. */
  publishedIn(tx: ShardTransaction): readonly StoredEvent[] {
    return (tx.outgoing as Outgoing | undefined)?.events ?? [];
  }
}

const durable = { text: 'SET LOCAL synchronous_commit TO DEFAULT' };

function isDeclared(event: OutgoingEvent, registry: EventRegistry): event is DomainEvent {
  return 'definition' in event && registry.has((event as DomainEvent).definition);
}

export function appending(events: readonly StoredEvent[]) {
  if (events.length === 1) {
    const [e] = events as [StoredEvent];
    return sql.append(e.slot, e.topic, e.key, e.id, e.type, e.version, e.headers, e.payload);
  }
  return sql.appendMany(
    events.map((e) => e.slot),
    events.map((e) => e.topic),
    events.map((e) => e.key),
    events.map((e) => e.id),
    events.map((e) => e.type),
    events.map((e) => e.version),
    events.map((e) => e.headers),
    events.map((e) => e.payload),
  );
}

function later(e: StoredEvent, at: Date) {
  return sql.appendLater(at, e.slot, e.topic, e.key, e.id, e.type, e.version, e.headers, e.payload);
}

/** What travels along: the trace, the deadline of who asked, and the event that this one came of. */
function headersNow(): string | null {
  const context = currentContext();
  const cause = currentDelivery()?.event.id;
  if (!context && !cause) return null;
  return JSON.stringify({
    ...(context?.traceId
      ? { traceparent: `00-${context.traceId}-${newId(0).replaceAll('-', '').slice(16)}-00` }
      : {}),
    ...(context ? { requestid: context.requestId } : {}),
    ...(context && !cause
      ? { deadline: new Date(Date.now() + context.deadline.remaining()).toISOString() }
      : {}),
    ...(cause ? { cause } : {}),
  });
}

import { Deadline, runInContext, type Histogram, type Meter } from '@rookery/kernel';
import { atSlot, slotOf, type ShardKey, type Shards, type ShardTransaction } from '@rookery/sharding';
import type { EventRegistry } from '../definition/event-registry.js';
import type { ReceivedEvent, StoredEvent } from '../definition/stored-event.js';
import { eventsErrors } from '../events.errors.js';
import { runInDelivery, type Delivery } from './delivery.js';
import type { EventJob } from './event-job.js';
import type { Group, Handler } from './handler.js';
import * as sql from './handling.sql.js';

export interface EffectsOptions {
  readonly shards: Shards;
  readonly registry: EventRegistry;
  readonly group: Group;
  readonly meter: Meter;
  /** Events that a handler published and that somebody may wait for, as text; called before its COMMIT. */
  readonly awaitsOf: (tx: ShardTransaction) => string | undefined;
  /** Told when an event is applied here, once committed. */
  readonly onApplied: (event: StoredEvent, tx: ShardTransaction) => void;
  /** For the proof that it is needed; nothing else turns it off. */
  readonly inbox?: boolean;
}

/** An event in the form its handler takes, and where its effect is. */
export interface Prepared {
  readonly job: EventJob;
  readonly handler: Handler;
  readonly received: ReceivedEvent;
  readonly at: ShardKey;
}

/** Thrown through a transaction whose event had been applied before. */
class AppliedBefore extends Error {}

/** What events do: a handler's effect and the inbox's line in one commit, so that it happens once however often they come. */
export class Effects {
  private readonly duration: Histogram;

  constructor(private readonly options: EffectsOptions) {
    this.duration = options.meter.histogram({
      name: 'rookery_events_handler_seconds',
      help: 'Time from the start of a handler to its commit',
      labels: ['group'],
    });
  }

  /** @throws RK_EVENTS_NO_HANDLER, _UNKNOWN_TYPE, _UNDECODABLE, _UNKNOWN_VERSION */
  prepare(job: EventJob, attempt: number): Prepared {
    const { event } = job;
    const { registry, group } = this.options;
    const handler = group.handlerOf(event.type);
    if (!handler) {
      const known = registry.find(event.type) !== undefined;
      throw eventsErrors.create(known ? 'NO_HANDLER' : 'UNKNOWN_TYPE', {
        data: { type: event.type, group: group.name },
      });
    }
    const received = receive(event, handler, attempt);
    return { job, handler, received, at: handler.at?.(received.data) ?? atSlot(event.slot) };
  }

  /**
   * Applies one event, or finds that it has been. @throws what its handler throws, in the form that it was thrown in; as
   * `Shards.transaction`
   */
  async apply({ job, handler, received, at }: Prepared): Promise<void> {
    const { shards, group, inbox = true } = this.options;
    const { event } = job;
    const delivery: Delivery = { group: group.name, event };
    const slot = slotOf(at);
    const since = performance.now();
    const deadline = Deadline.after(handler.timeoutMs);
    try {
      await runInContext({ requestId: event.id, deadline }, () =>
        runInDelivery(delivery, () =>
          shards.transaction(
            at,
            async (tx) => {
              this.leaveToLater(tx, job);
              const entered = inbox ? tx.execute(sql.enter(event.id, group.name, slot)) : undefined;
              entered?.catch(() => undefined);
              try {
                await this.invoke(handler, received, tx, delivery);
              } catch (error) {
                await entered;
                throw error;
              }
              const awaits = this.options.awaitsOf(tx);
              if (awaits !== undefined) tx.send(sql.setAwaits(event.id, group.name, awaits));
              tx.afterCommit(() => this.options.onApplied(event, tx));
            },
            { deadline },
          ),
        ),
      );
    } catch (error) {
      if (!isSecondTime(error)) throw error;
    } finally {
      this.duration.observe((performance.now() - since) / 1000, { group: group.name });
    }
  }

  /** As `apply`, for events of one batch handler whose effects are on one shard. */
  async applyTogether(shard: string, prepared: readonly Prepared[]): Promise<void> {
    const { shards, group, inbox = true } = this.options;
    const [{ handler, job }] = prepared as readonly [Prepared, ...Prepared[]];
    const delivery: Delivery = { group: group.name, event: job.event };
    const deadline = Deadline.after(handler.timeoutMs);
    const since = performance.now();
    try {
      await runInContext({ requestId: job.event.id, deadline }, () =>
        runInDelivery(delivery, () =>
          shards.transactionAt(
            shard,
            async (tx) => {
              this.leaveToLater(tx, job);
              let fresh = prepared;
              if (inbox) {
                const ids = prepared.map(({ received }) => received.id);
                const slots = prepared.map(({ at }) => slotOf(at));
                const rows = await tx.query<{ id: string }>(sql.enterMany(ids, group.name, slots));
                if (rows.length < prepared.length) {
                  const entered = new Set(rows.map(({ id }) => id));
                  // One that comes twice in a batch has entered once.
                  fresh = prepared.filter(({ received }) => entered.delete(received.id));
                }
              }
              if (fresh.length === 0) throw new AppliedBefore();
              await this.invoke(
                handler,
                fresh.map(({ received }) => received),
                tx,
                delivery,
              );
              tx.afterCommit(() => {
                for (const { job: applied } of fresh) this.options.onApplied(applied.event, tx);
              });
            },
            { deadline },
          ),
        ),
      );
    } catch (error) {
      if (!(error instanceof AppliedBefore)) throw error;
    } finally {
      this.duration.observe((performance.now() - since) / 1000, { group: group.name });
    }
  }

  private async invoke(
    handler: Handler,
    events: ReceivedEvent | readonly ReceivedEvent[],
    tx: ShardTransaction,
    delivery: Delivery,
  ): Promise<void> {
    const given = handler.batch && !Array.isArray(events) ? [events as ReceivedEvent] : events;
    try {
      await handler.invoke(given, tx);
    } catch (error) {
      // Filters of the application show the world something else; here it is the cause that counts.
      if (delivery.thrown) throw delivery.thrown.error;
      if (error instanceof Error) throw error;
      // The handler was never reached: what Nest makes of a guard's or a pipe's refusal is no error.
      throw eventsErrors.create('HANDLER_REFUSED', {
        data: { type: handler.definition.type, group: handler.group },
        cause: error,
      });
    }
  }

  /**
   * What a lost process leaves of a transaction is settled by the log's own order, in the log's own database: a crash that
   * undoes the effect undoes every later cursor, too, and whoever remembers a later one is found out by the incarnation. So
   * the disk need not be waited for, where all effects of the group are in that database. (With Kafka they wait: offsets
   * lie elsewhere.)
   */
  private leaveToLater(tx: ShardTransaction, { from }: EventJob): void {
    if (from?.shard === tx.shard && !this.options.group.routes) tx.send(sql.asyncCommit(from.incarnation));
  }
}

function receive(event: StoredEvent, handler: Handler, attempt: number): ReceivedEvent {
  let stored: unknown;
  try {
    stored = JSON.parse(event.payload);
  } catch (cause) {
    throw eventsErrors.create('UNDECODABLE', { data: { type: event.type, reason: 'it is no JSON' }, cause });
  }
  return {
    id: event.id,
    type: event.type,
    data: handler.definition.read(stored, event.version),
    key: event.key,
    publishedAt: new Date(event.publishedAt),
    attempt,
    headers: event.headers === null ? {} : (JSON.parse(event.headers) as Record<string, string>),
  };
}

/** A unique violation of the inbox, whichever of its partitions it was: the event has been applied. */
function isSecondTime(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    error.code === '23505' &&
    'table' in error &&
    String(error.table).startsWith('rookery_inbox')
  );
}

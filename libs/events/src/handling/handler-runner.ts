import { setTimeout as pause } from 'node:timers/promises';
import { Deadline, runInContext, type Counter, type Histogram, type Meter } from '@rookery/kernel';
import { atSlot, slotOf, type ShardKey, type Shards, type ShardTransaction } from '@rookery/sharding';
import type { EventRegistry } from '../definition/event-registry.js';
import type { ReceivedEvent, StoredEvent } from '../definition/stored-event.js';
import { eventsErrors } from '../events.errors.js';
import type { LogSource } from '../groups/group-reader.js';
import { SQLSTATE_CRASHED } from '../log/log.schema.js';
import { runInDelivery, type Delivery } from './delivery.js';
import type { Group, Handler } from './handler.js';
import * as sql from './handling.sql.js';
import { ParkedRetries } from './parked-retries.js';
import { keyOf, type Parking } from './parking.js';
import { isOutage, type RetryPolicy } from './retry-policy.js';
import { Suspects } from './suspects.js';
import type { Job } from './key-scheduler.js';

/** What became of an event: `left` if it was not dealt with and will come again. */
export type Outcome = 'applied' | 'parked' | 'left';

export interface EventJob extends Job {
  readonly event: StoredEvent;
  /** The key has parked events, and their time has come. */
  readonly retry: boolean;
  /** It may have ended a process before. */
  readonly suspect: boolean;
  /** The log it was read from just now; undefined where it comes from elsewhere. */
  readonly from?: LogSource;
  readonly done: (outcome: Outcome) => void;
}

export interface HandlerRunnerOptions {
  readonly shards: Shards;
  readonly registry: EventRegistry;
  readonly group: Group;
  readonly parking: Parking;
  readonly retries: RetryPolicy;
  readonly meter: Meter;
  /** Events that a handler published and that somebody may wait for, as text; called before its COMMIT. */
  readonly awaitsOf: (tx: ShardTransaction) => string | undefined;
  /** Told when an event is applied here, once committed. */
  readonly onApplied: (event: StoredEvent, tx: ShardTransaction) => void;
  readonly onFailure: (event: StoredEvent, failure: unknown, parked: boolean) => void;
  /** For the proof that it is needed; nothing else turns it off. */
  readonly inbox?: boolean;
}

/** An event in the form its handler takes, and where its effect is. */
interface Prepared {
  readonly job: EventJob;
  readonly handler: Handler;
  readonly received: ReceivedEvent;
  readonly at: ShardKey;
}

/** Thrown through a transaction whose event had been applied before. */
class AppliedBefore extends Error {}

/**
 * Applies events: effect and inbox in one commit, retries in place, then parks. Whatever happens, each job is done with
 * an outcome; `left` only once it has been told to stop.
 */
export class HandlerRunner {
  private stopped = false;
  private readonly stopping = new AbortController();
  private readonly outcomes: Counter;
  private readonly retriesMade: Counter;
  private readonly duration: Histogram;
  private readonly suspects: Suspects;
  private readonly parkedRetries: ParkedRetries;

  constructor(private readonly options: HandlerRunnerOptions) {
    const { meter } = options;
    this.outcomes = meter.counter({
      name: 'rookery_events_handled_total',
      help: 'Events by group and what became of them',
      labels: ['group', 'outcome'],
    });
    this.retriesMade = meter.counter({
      name: 'rookery_events_retries_total',
      help: 'Further tries of events, by group and reason',
      labels: ['group', 'reason'],
    });
    this.duration = meter.histogram({
      name: 'rookery_events_handler_seconds',
      help: 'Time from the start of a handler to its commit',
      labels: ['group'],
    });
    const { shards, group, parking, onFailure } = options;
    this.suspects = new Suspects(shards, group.name);
    this.parkedRetries = new ParkedRetries({
      group,
      parking,
      isStopped: () => this.stopped,
      apply: (event, attempts) =>
        this.apply(
          this.prepare(
            this.jobOf(event, () => undefined, { retry: true }),
            attempts,
          ),
        ),
      onTry: () => this.retriesMade.add(1, { group: group.name, reason: 'parked' }),
      onApplied: () => this.outcomes.add(1, { group: group.name, outcome: 'applied' }),
      onFailure: (event, failure) => onFailure(event, failure, true),
    });
  }

  /** A job for the scheduler. Events of one batch handler may go together. */
  jobOf(
    event: StoredEvent,
    done: (outcome: Outcome) => void,
    extra: { retry?: boolean; suspect?: boolean; from?: LogSource } = {},
  ): EventJob {
    const { retry = false, suspect = false, from } = extra;
    const handler = this.options.group.handlerOf(event.type);
    const alone = retry || suspect || !handler?.batch;
    return { key: keyOf(event), kind: alone ? undefined : handler, event, retry, suspect, from, done };
  }

  /** From now on nothing is tried again; what is under way ends as it may. */
  stop(): void {
    this.stopped = true;
    this.stopping.abort();
  }

  readonly handle = async (jobs: readonly EventJob[]): Promise<void> => {
    const [first] = jobs as readonly [EventJob, ...EventJob[]];
    if (first.retry) {
      await this.parkedRetries.workOff(first.event);
      return first.done('parked');
    }
    if (jobs.length === 1) return this.one(first);
    // What comes before them may just have been left.
    if (this.stopped) return jobs.forEach((job) => this.finish(job, 'left'));
    const free = jobs.filter(({ event }) => !this.options.parking.holds(event));
    if (free.length < jobs.length) {
      for (const job of jobs) if (!free.includes(job)) await this.one(job);
    }
    if (free.length > 0) await this.batch(free);
  };

  private async one(job: EventJob): Promise<void> {
    if (this.options.parking.holds(job.event)) return this.park(job);
    if (job.suspect && !(await this.mayBeTried(job))) return;
    for (let failures = 0, outages = 0; ;) {
      if (this.stopped) return this.finish(job, 'left');
      try {
        const prepared = this.prepare(job, failures);
        await this.apply(prepared);
        if (job.suspect) await this.suspects.clear(job.event);
        return this.finish(job, 'applied');
      } catch (error) {
        if (isFromBeforeCrash(error)) return this.finish(job, 'left');
        if (isOutage(error)) {
          outages += 1;
          this.retriesMade.add(1, { group: this.options.group.name, reason: 'outage' });
          if (outages === 1) this.options.onFailure(job.event, error, false);
          await this.wait(this.options.retries.waitInOutage(outages));
          continue;
        }
        failures += 1;
        if (failures >= this.options.retries.inPlace || !isWorthATry(error)) return this.park(job, error);
        this.retriesMade.add(1, { group: this.options.group.name, reason: 'failure' });
        this.options.onFailure(job.event, error, false);
        await this.wait(this.options.retries.waitInPlace(failures));
      }
    }
  }

  /** Together while it goes well; one by one, to find the one that fails, where it does not. */
  private async batch(jobs: readonly EventJob[]): Promise<void> {
    let rest = jobs;
    while (rest.length > 0) {
      const { now, later } = await this.roundOf(rest);
      for (const [shard, prepared] of now) {
        const events = prepared.map(({ job }) => job);
        try {
          await this.applyTogether(shard, prepared);
          this.finishAll(events, 'applied');
        } catch {
          // Whatever it was, each of them meets it by itself, and is told of by itself.
          for (const job of events) await this.one(job);
        }
      }
      rest = later;
    }
  }

  /** One transaction per shard; events of a key whose effects are on several shards go one after the other. */
  private async roundOf(
    jobs: readonly EventJob[],
  ): Promise<{ now: Map<string, Prepared[]>; later: EventJob[] }> {
    const now = new Map<string, Prepared[]>();
    const later: EventJob[] = [];
    const shardOfKey = new Map<string, string | undefined>();
    const shardOfSlot = new Map<number, string>();
    for (const job of jobs) {
      let prepared: Prepared;
      let shard: string;
      try {
        prepared = this.prepare(job, 0);
        const slot = slotOf(prepared.at);
        shard = shardOfSlot.get(slot) ?? (await this.options.shards.shardOf(prepared.at));
        shardOfSlot.set(slot, shard);
      } catch {
        // What cannot be read or routed is told when it is tried alone, in its turn.
        if (shardOfKey.has(job.key)) later.push(job);
        else {
          shardOfKey.set(job.key, undefined);
          await this.one(job);
        }
        continue;
      }
      if (shardOfKey.has(job.key) && shardOfKey.get(job.key) !== shard) {
        shardOfKey.set(job.key, undefined);
        later.push(job);
        continue;
      }
      shardOfKey.set(job.key, shard);
      const there = now.get(shard);
      if (there) there.push(prepared);
      else now.set(shard, [prepared]);
    }
    return { now, later };
  }

  private prepare(job: EventJob, attempt: number): Prepared {
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

  private async apply({ job, handler, received, at }: Prepared): Promise<void> {
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

  private async applyTogether(shard: string, prepared: readonly Prepared[]): Promise<void> {
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

  /** Whether an event that may have ended the process is tried once more. */
  private async mayBeTried(job: EventJob): Promise<boolean> {
    for (let outages = 1; !this.stopped; outages++) {
      try {
        const tries = await this.suspects.count(job.event);
        if (tries !== undefined && tries <= Suspects.MOST) return true;
        if (tries === undefined) this.finish(job, 'applied');
        else await this.park(job, this.killed(job.event));
        return false;
      } catch (error) {
        this.options.onFailure(job.event, error, false);
        await this.wait(this.options.retries.waitInOutage(outages));
      }
    }
    this.finish(job, 'left');
    return false;
  }

  private killed({ type }: StoredEvent): unknown {
    return eventsErrors.create('KILLED_THE_PROCESS', {
      data: { times: Suspects.MOST, type, group: this.options.group.name },
    });
  }

  /** Parks until it stands: an event that could neither be applied nor parked must not be passed over. */
  private async park(job: EventJob, failure?: unknown): Promise<void> {
    for (let outages = 1; !this.stopped; outages++) {
      try {
        await this.options.parking.park(job.event, failure);
        if (failure !== undefined) this.options.onFailure(job.event, failure, true);
        return this.finish(job, 'parked');
      } catch (error) {
        if (outages === 1) this.options.onFailure(job.event, error, false);
        await this.wait(this.options.retries.waitInOutage(outages));
      }
    }
    this.finish(job, 'left');
  }

  private finish(job: EventJob, outcome: Outcome): void {
    this.finishAll([job], outcome);
  }

  private finishAll(jobs: readonly EventJob[], outcome: Outcome): void {
    this.outcomes.add(jobs.length, { group: this.options.group.name, outcome });
    for (const job of jobs) job.done(outcome);
  }

  private async wait(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.stopping.signal }).catch(() => undefined);
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

/** Whether another try could end otherwise: what cannot be read stays so. */
function isWorthATry(error: unknown): boolean {
  return !(['UNDECODABLE', 'UNKNOWN_VERSION', 'UNKNOWN_TYPE', 'NO_HANDLER'] as const).some((name) =>
    eventsErrors.is(error, name),
  );
}

/** The server has crashed since the event was read: what came before it may have to come again first. */
function isFromBeforeCrash(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === SQLSTATE_CRASHED;
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

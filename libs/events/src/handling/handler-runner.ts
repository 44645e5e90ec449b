import { setTimeout as pause } from 'node:timers/promises';
import type { Counter } from '@rookery/kernel';
import { slotOf } from '@rookery/sharding';
import type { StoredEvent } from '../definition/stored-event.js';
import { eventsErrors } from '../events.errors.js';
import type { LogSource } from '../groups/group-reader.js';
import { SQLSTATE_CRASHED } from '../log/log.schema.js';
import { Effects, type EffectsOptions, type Prepared } from './effects.js';
import type { EventJob, Outcome } from './event-job.js';
import { ParkedRetries } from './parked-retries.js';
import { keyOf, type Parking } from './parking.js';
import { isOutage, type RetryPolicy } from './retry-policy.js';
import { Suspects } from './suspects.js';

export interface HandlerRunnerOptions extends EffectsOptions {
  readonly parking: Parking;
  readonly retries: RetryPolicy;
  readonly onFailure: (event: StoredEvent, failure: unknown, parked: boolean) => void;
}

/**
 * Has events applied: tries again in place, then parks. Whatever happens, each job is done with
 * an outcome; `left` only once it has been told to stop.
 */
export class HandlerRunner {
  private stopped = false;
  private readonly stopping = new AbortController();
  private readonly outcomes: Counter;
  private readonly retriesMade: Counter;
  private readonly effects: Effects;
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
    this.effects = new Effects(options);
    const { shards, group, parking, onFailure } = options;
    this.suspects = new Suspects(shards, group.name);
    this.parkedRetries = new ParkedRetries({
      group,
      parking,
      isStopped: () => this.stopped,
      apply: (event, attempts) =>
        this.effects.apply(
          this.effects.prepare(
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
        const prepared = this.effects.prepare(job, failures);
        await this.effects.apply(prepared);
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
          await this.effects.applyTogether(shard, prepared);
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
        prepared = this.effects.prepare(job, 0);
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

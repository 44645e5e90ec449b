import { setTimeout as pause } from 'node:timers/promises';
import type { EachBatchPayload } from 'kafkajs';
import type { StoredEvent } from '../definition/stored-event.js';
import { eventsErrors } from '../events.errors.js';
import type { Group } from '../handling/handler.js';
import type { EventJob } from '../handling/event-job.js';
import type { HandlerRunner } from '../handling/handler-runner.js';
import { KeyScheduler } from '../handling/key-scheduler.js';
import { keyOf, type Parking } from '../handling/parking.js';
import type { RetryPolicy } from '../handling/retry-policy.js';
import { decode } from './cloud-event.js';
import { OffsetPrefix } from './offset-prefix.js';

export interface IntakeOptions {
  readonly group: Group;
  readonly runner: HandlerRunner;
  readonly parking: Parking;
  readonly retries: RetryPolicy;
  readonly topicPrefix: string;
  readonly maxBatch: number;
  readonly readAhead: number;
  readonly heartbeatMs: number;
  readonly onWarning: (message: string, error?: unknown) => void;
}

/** A partition as this replica has it at present. */
interface Partition {
  readonly topic: string;
  readonly number: number;
  readonly prefix: OffsetPrefix;
  /** Where the next batch has to begin, as soon as it is known. */
  expected: bigint | undefined;
  /** Where a batch began that was not expected. */
  doubted: bigint | undefined;
  committed: bigint | undefined;
  /** Messages from the next one on that may have ended a process before. */
  suspects: number;
  /** Offset after the last message of the partition, when it was looked at last. */
  end: bigint;
}

export interface CommittableOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
}

type Batch = EachBatchPayload['batch'] & { readonly fetchedOffset: string };

/**
 * What a group's consumer brings, on its way through the handlers: in order by key, with a bound on what is read ahead, and
 * with an account of how far each partition is dealt with. Nothing of it throws into kafkajs.
 */
export class Intake {
  private readonly scheduler: KeyScheduler<EventJob>;
  private readonly partitions = new Map<string, Partition>();
  private readonly faults = new WeakMap<StoredEvent, string>();
  private readonly retrying = new Set<string>();
  /** Grows with each assignment, and when what is had is let go of. */
  private generation = 0;
  private ready: Promise<void> = Promise.resolve();
  private stopping = new AbortController();
  private waiting: (() => void)[] = [];

  constructor(private readonly options: IntakeOptions) {
    const { group, maxBatch, runner } = options;
    this.scheduler = new KeyScheduler<EventJob>({
      concurrency: group.concurrency,
      maxBatch,
      handle: async (jobs) => {
        const [first] = jobs as readonly [EventJob, ...EventJob[]];
        const fault = this.faults.get(first.event);
        await (fault === undefined ? runner.handle(jobs) : this.parkUndecodable(first, fault));
        this.tellRoom();
      },
    });
  }

  get pending(): number {
    return this.scheduler.pending;
  }

  get stopped(): boolean {
    return this.stopping.signal.aborted;
  }

  /**
   * A new assignment: what was had before counts no more, and nothing is taken before `prepare` (which learns what is
   * parked) has gone well.
   */
  assign(
    assignment: Readonly<Record<string, readonly number[]>>,
    prepare: (still: () => boolean) => Promise<void>,
  ): void {
    this.generation += 1;
    const before = new Map(this.partitions);
    this.partitions.clear();
    for (const [topic, numbers] of Object.entries(assignment)) {
      for (const number of numbers) {
        const kept = before.get(nameOf(topic, number));
        this.partitions.set(nameOf(topic, number), {
          topic,
          number,
          prefix: new OffsetPrefix(),
          expected: undefined,
          doubted: undefined,
          committed: undefined,
          suspects: 0,
          end: kept?.end ?? 0n,
        });
      }
    }
    this.ready = this.untilDone(prepare, this.generation);
  }

  /**
   * Where a partition of the present assignment begins.
   * @param suspect its last owner ended without saying so
   */
  begin(topic: string, number: number, offset: bigint, suspect: boolean): void {
    const partition = this.partitions.get(nameOf(topic, number));
    if (!partition) return;
    partition.committed = offset;
    partition.expected = offset;
    partition.suspects = suspect ? this.options.readAhead : 0;
  }

  has(topic: string, partition: number): boolean {
    return this.partitions.has(nameOf(topic, partition));
  }

  /** kafkajs's `eachBatch`: hands the messages over, and returns before they are dealt with. */
  readonly take = async ({ batch, resolveOffset, heartbeat, isRunning }: EachBatchPayload): Promise<void> => {
    const { generation } = this;
    const goesOn = (): boolean =>
      generation === this.generation && !this.stopping.signal.aborted && isRunning();
    if (!(await this.alive(this.ready, heartbeat)) || !goesOn()) return;
    const partition = this.partitions.get(nameOf(batch.topic, batch.partition));
    if (!partition || !this.continues(partition, batch as Batch)) return;
    partition.end = BigInt(batch.highWatermark);
    for (const message of batch.messages) {
      if (this.pending >= this.options.readAhead) {
        this.scheduler.pump();
        if (!(await this.alive(this.room(), heartbeat)) || !goesOn()) return;
      }
      const offset = BigInt(message.offset);
      const done = partition.prefix.take(offset);
      const topic = batch.topic.slice(this.options.topicPrefix.length);
      this.handOver(decode(message, { topic, partition: batch.partition }), partition.suspects > 0, done);
      partition.suspects = Math.max(0, partition.suspects - 1);
      partition.expected = offset + 1n;
      resolveOffset(message.offset);
    }
    // Behind the last message there may be records that are none, such as the ends of transactions.
    partition.expected = BigInt(batch.lastOffset()) + 1n;
    this.scheduler.pump();
  };

  /** kafkajs has passed over records that are no messages. */
  readonly passed = (topic: string, number: number, first: bigint, last: bigint): void => {
    const partition = this.partitions.get(nameOf(topic, number));
    if (!partition || (partition.expected !== undefined && partition.expected !== first)) return;
    partition.expected = last + 1n;
    partition.prefix.take(last)();
  };

  /** Offsets that can be committed: those that are not, or all that are known. */
  committable(all = false): CommittableOffset[] {
    const offsets: CommittableOffset[] = [];
    for (const { topic, number, prefix, committed } of this.partitions.values()) {
      const next = prefix.next ?? committed;
      if (next === undefined || (!all && next === committed)) continue;
      offsets.push({ topic, partition: number, offset: String(next) });
    }
    return offsets;
  }

  committed(offsets: readonly CommittableOffset[]): void {
    for (const { topic, partition, offset } of offsets) {
      const one = this.partitions.get(nameOf(topic, partition));
      if (one) one.committed = BigInt(offset);
    }
  }

  /** Messages that are not dealt with, by topic, as far as this replica's partitions tell. */
  lag(): ReadonlyMap<string, number> {
    const lags = new Map<string, number>();
    for (const { topic, prefix, committed, expected, end } of this.partitions.values()) {
      const at = prefix.next ?? committed ?? (prefix.size === 0 ? expected : undefined);
      const behind = at === undefined ? prefix.size : Number(end > at ? end - at : 0n);
      lags.set(topic, (lags.get(topic) ?? 0) + behind);
    }
    return lags;
  }

  /** The time of parked keys has come; each takes its turn among its own events. */
  retry(heads: readonly StoredEvent[]): void {
    for (const event of heads) {
      const key = keyOf(event);
      if (this.retrying.has(key)) continue;
      this.retrying.add(key);
      this.scheduler.push(this.options.runner.jobOf(event, () => this.retrying.delete(key), { retry: true }));
    }
    this.scheduler.pump();
  }

  /** From now on nothing is taken, and nothing begun that was only read ahead. */
  stopTaking(): void {
    this.stopping.abort();
    this.dropRest();
  }

  /** Forgets what nobody has begun, and waits for what is under way, not longer than that. Whether all of it has ended. */
  async drain(limitMs: number): Promise<boolean> {
    this.generation += 1;
    this.dropRest();
    const over = new AbortController();
    const late = pause(limitMs, 'late', { signal: over.signal }).catch(() => undefined);
    const inTime = (await Promise.race([this.scheduler.idle(), late])) !== 'late';
    if (!inTime) {
      this.options.onWarning(
        `group ${this.options.group.name} lets go of partitions while ${this.pending} handlers are under way`,
      );
    }
    over.abort();
    return inTime;
  }

  /** What it had belongs to nobody here any more. */
  forget(): void {
    this.generation += 1;
    this.partitions.clear();
  }

  private dropRest(): void {
    for (const job of this.scheduler.drop()) job.done('left');
    this.tellRoom();
  }

  private handOver({ event, fault }: ReturnType<typeof decode>, suspect: boolean, done: () => void): void {
    if (fault !== undefined) this.faults.set(event, fault);
    // A member that handles it would have been given the partition; see the assigner.
    else if (!this.options.group.handlerOf(event.type)) return done();
    const job = this.options.runner.jobOf(event, (outcome) => (outcome === 'left' ? undefined : done()), {
      suspect,
    });
    // What cannot be read may name a type that is handled in batches; it is parked, and goes with nobody.
    this.scheduler.push(fault === undefined ? job : { ...job, kind: undefined });
  }

  /**
   * Whether a batch goes on where the last one ended. kafkajs may hand over one that it fetched before it joined the group
   * anew, which would bring later events before earlier ones. Such a batch comes once; where the partition really goes on
   * there, it comes again.
   */
  private continues(partition: Partition, { fetchedOffset, topic }: Batch): boolean {
    const from = BigInt(fetchedOffset);
    const { expected } = partition;
    if (expected === undefined || expected === from) return true;
    if (partition.doubted !== from) {
      partition.doubted = from;
      return false;
    }
    if (from > expected) {
      this.options.onWarning(
        `group ${this.options.group.name} goes on at ${from} in ${topic}[${partition.number}]: what it had to read from ${expected} on is gone`,
      );
    }
    return true;
  }

  /** Waits, and is heard of meanwhile. `false` where the group has to be joined anew. */
  private async alive(wait: Promise<void>, heartbeat: () => Promise<void>): Promise<boolean> {
    let waiting = true;
    const ended = wait.then(() => (waiting = false));
    await Promise.race([ended, Promise.resolve()]);
    while (waiting && !this.stopping.signal.aborted) {
      const over = new AbortController();
      await Promise.race([
        ended,
        pause(this.options.heartbeatMs, undefined, { signal: over.signal }).catch(() => undefined),
      ]);
      over.abort();
      if (!waiting) break;
      try {
        await heartbeat();
      } catch {
        // kafkajs meets the same with its own heartbeat as soon as this batch is over, and joins anew.
        return false;
      }
    }
    return true;
  }

  private room(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private tellRoom(): void {
    const told = this.waiting;
    this.waiting = [];
    for (const resolve of told) resolve();
  }

  private async untilDone(
    prepare: (still: () => boolean) => Promise<void>,
    generation: number,
  ): Promise<void> {
    const still = (): boolean => generation === this.generation && !this.stopping.signal.aborted;
    for (let failures = 1; still(); failures++) {
      try {
        return await prepare(still);
      } catch (error) {
        if (failures === 1) {
          const { name } = this.options.group;
          this.options.onWarning(`group ${name} has yet to learn what is parked`, error);
        }
        const wait = this.options.retries.waitInOutage(failures);
        await pause(wait, undefined, { signal: this.stopping.signal }).catch(() => undefined);
      }
    }
  }

  /** Parks until it stands, as the runner does with what failed. */
  private async parkUndecodable(job: EventJob, reason: string): Promise<void> {
    const { parking, retries, onWarning } = this.options;
    const failure = eventsErrors.create('UNDECODABLE', { data: { type: job.event.type, reason } });
    for (let failures = 1; !this.stopping.signal.aborted; failures++) {
      try {
        await parking.park(job.event, failure);
        onWarning(`a message of ${job.event.topic} at ${job.event.position} is parked`, failure);
        return job.done('parked');
      } catch (error) {
        if (failures === 1) onWarning(`a message of ${job.event.topic} cannot be parked yet`, error);
        const wait = retries.waitInOutage(failures);
        await pause(wait, undefined, { signal: this.stopping.signal }).catch(() => undefined);
      }
    }
    job.done('left');
  }
}

function nameOf(topic: string, partition: number): string {
  return `${topic} ${partition}`;
}

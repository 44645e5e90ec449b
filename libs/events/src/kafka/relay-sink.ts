import { setTimeout as pause } from 'node:timers/promises';
import type { StoredEvent } from '../definition/stored-event.js';
import { eventsErrors } from '../events.errors.js';
import type { GroupSinkLike } from '../groups/shard-groups.js';
import type { Parking } from '../handling/parking.js';
import { encode, sizeOf } from './cloud-event.js';
import { isTooLarge } from './kafka-client.js';
import type { KafkaSettings } from './kafka.options.js';
import type { Outgoing, RelayProducer } from './relay-producer.js';
import type { Troubles } from './troubles.js';

export interface RelaySinkOptions {
  readonly shard: string;
  readonly settings: KafkaSettings;
  readonly producer: RelayProducer;
  /** Of the group `kafka`: events that no broker takes, and what comes behind them. */
  readonly parking: Parking;
  readonly troubles: Troubles;
  /** Told how many events were sent or parked. */
  readonly onDone: (outcome: 'sent' | 'parked', count: number) => void;
  readonly onFailure: (code: string) => void;
  readonly onWarning: (message: string, error?: unknown) => void;
}

interface Entry {
  readonly event: StoredEvent;
  readonly done: (dealtWith: boolean) => void;
}

const MOST = 1_000;
const DUE_AT_ONCE = 100;
const FIRST_WAIT_MS = 50;
const MAX_WAIT_MS = 2_000;
const DRAIN_MS = 5_000;

/**
 * Where the events of one shard leave for Kafka: in the order of the log, and each only once all before it have been
 * acknowledged, leave in the same batch, or are parked. So however often replicas and producers change, each event
 * appears in its partition for the first time after all earlier ones of its key; that it may appear again is what
 * consumers' inboxes are for.
 */
export class RelaySink implements GroupSinkLike {
  private queue: Entry[] = [];
  private due: StoredEvent[] = [];
  /** Of the queue, those that are being sent. */
  private underWay = 0;
  /** Batches that have to be of one event: one of them is too large, and it is not known which. */
  private alone = 0;
  /** Whoever works without it has been let go of, and changes nothing any more. */
  private turn = new AbortController();
  private working: Promise<void> | undefined;
  private draining = false;
  private inTrouble = false;

  constructor(private readonly options: RelaySinkOptions) {}

  get pending(): number {
    return this.queue.length;
  }

  take(events: readonly StoredEvent[], _suspect: boolean, done: (dealtWith: boolean) => void): void {
    for (const event of events) this.queue.push({ event, done });
    this.work();
  }

  prepare(shard: string, lanes: readonly number[]): Promise<void> {
    return this.options.parking.load(shard, lanes);
  }

  async retryDue(shard: string, lanes: readonly number[]): Promise<void> {
    if (this.due.length > 0) return;
    this.due = await this.options.parking.due(shard, lanes, DUE_AT_ONCE);
    this.work();
  }

  /** While it goes well, what is here leaves first: what is left comes again, and would lie there twice. */
  async drain(): Promise<void> {
    this.due = [];
    this.draining = true;
    if (this.inTrouble) this.leave(this.underWay);
    const over = new AbortController();
    const late = pause(DRAIN_MS, undefined, { signal: over.signal }).catch(() => undefined);
    await Promise.race([this.working, late]);
    over.abort();
    this.turn.abort();
    this.turn = new AbortController();
    this.working = undefined;
    this.underWay = 0;
    this.alone = 0;
    this.leave(0);
    await this.options.producer.discard();
    this.ended();
    this.draining = false;
  }

  /** Lets go of all but the first, which come again. */
  private leave(butFirst: number): void {
    for (const { done } of this.queue.splice(butFirst)) done(false);
  }

  private ended(): void {
    this.inTrouble = false;
    this.options.troubles.end(this.part);
  }

  private get part(): string {
    return `relay of ${this.options.shard}`;
  }

  private work(): void {
    if (this.working || (this.queue.length === 0 && this.due.length === 0)) return;
    const { signal } = this.turn;
    this.working = this.run(signal).finally(() => {
      if (signal.aborted) return;
      this.working = undefined;
      if (!this.draining) this.work();
    });
  }

  private async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      try {
        const head = this.due.shift();
        if (head) await this.retry(head, signal);
        else if (this.queue.length > 0) await this.next(signal);
        else return;
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.underWay = 0;
        failures += 1;
        this.inTrouble = true;
        this.options.onFailure(this.options.troubles.begin(this.part, error).code);
        if (this.draining) return;
        const wait = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures, 10));
        await pause(wait * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Deals with what is first in the queue. @throws what keeps it from that; all of it is still in the queue then */
  private async next(signal: AbortSignal): Promise<void> {
    const { parking } = this.options;
    const [first] = this.queue as [Entry, ...Entry[]];
    if (parking.holds(first.event)) return this.park(first, undefined, signal);
    const entries: Entry[] = [];
    const batch: Outgoing[] = [];
    const most = this.alone > 0 ? 1 : MOST;
    for (let bytes = 0; entries.length < most && entries.length < this.queue.length;) {
      const entry = this.queue[entries.length]!;
      if (parking.holds(entry.event)) break;
      const outgoing = this.outgoingOf(entry.event);
      bytes += sizeOf(outgoing.message);
      if (entries.length > 0 && bytes > this.options.settings.maxBatchBytes) break;
      entries.push(entry);
      batch.push(outgoing);
    }
    this.underWay = entries.length;
    try {
      await this.options.producer.send(batch);
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      if (signal.aborted) return;
      if (entries.length === 1) return this.park(first, this.tooLarge(first.event, batch[0]!, error), signal);
      this.underWay = 0;
      this.alone = entries.length;
      return;
    }
    if (signal.aborted) return;
    this.passed(entries.length);
    this.options.onDone('sent', entries.length);
    if (this.inTrouble) this.ended();
  }

  private async park({ event }: Entry, failure: unknown, signal: AbortSignal): Promise<void> {
    this.underWay = 1;
    await this.options.parking.park(event, failure);
    if (failure !== undefined) {
      this.options.onWarning(`event ${event.id} (${event.type}) is parked in group kafka`, failure);
    }
    if (signal.aborted) return;
    this.passed(1);
    this.options.onDone('parked', 1);
  }

  private passed(count: number): void {
    this.underWay = 0;
    this.alone = Math.max(0, this.alone - count);
    for (const { done } of this.queue.splice(0, count)) done(true);
  }

  /** Sends what is parked of a key, from its head, for as long as it goes well. */
  private async retry(of: StoredEvent, signal: AbortSignal): Promise<void> {
    const { parking, producer } = this.options;
    while (!signal.aborted) {
      const head = await parking.head(of);
      if (!head) return parking.release(of);
      if (head.state !== 'waiting' || !head.due) return;
      const outgoing = this.outgoingOf(head.event);
      try {
        await producer.send([outgoing]);
      } catch (error) {
        if (!isTooLarge(error)) throw error;
        const failure = this.tooLarge(head.event, outgoing, error);
        await parking.failedAgain(head.event, head.attempts, failure, 'hold');
        return;
      }
      await parking.unpark(head.event);
      this.options.onDone('sent', 1);
    }
  }

  private outgoingOf(event: StoredEvent): Outgoing {
    const { topicPrefix, source } = this.options.settings;
    return { topic: `${topicPrefix}${event.topic}`, message: encode(event, source) };
  }

  private tooLarge({ type }: StoredEvent, { topic, message }: Outgoing, cause: unknown): Error {
    const data = { type, topic, bytes: sizeOf(message) };
    return eventsErrors.create('KAFKA_TOO_LARGE', { data, cause });
  }
}

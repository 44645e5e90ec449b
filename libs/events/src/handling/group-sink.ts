import type { StoredEvent } from '../definition/stored-event.js';
import type { LogSource } from '../groups/group-reader.js';
import type { GroupSinkLike } from '../groups/shard-groups.js';
import type { EventJob } from './event-job.js';
import type { HandlerRunner } from './handler-runner.js';
import { keyOf, type Parking } from './parking.js';
import { KeyScheduler } from './key-scheduler.js';

/** Parked keys that are taken up at one look. */
const DUE_AT_ONCE = 100;

export interface GroupSinkOptions {
  readonly concurrency: number;
  readonly maxBatch: number;
}

/** Events of one source on their way through their handlers: in order by key, bounded, and with an end. */
export class GroupSink implements GroupSinkLike {
  private readonly scheduler: KeyScheduler<EventJob>;
  private readonly retrying = new Set<string>();

  constructor(
    private readonly runner: HandlerRunner,
    private readonly parking: Parking,
    options: GroupSinkOptions,
  ) {
    this.scheduler = new KeyScheduler<EventJob>({ ...options, handle: runner.handle });
  }

  get pending(): number {
    return this.scheduler.pending;
  }

  take(
    events: readonly StoredEvent[],
    suspect: boolean,
    done: (dealtWith: boolean) => void,
    from: LogSource,
  ): void {
    for (const event of events) {
      this.scheduler.push(this.runner.jobOf(event, (outcome) => done(outcome !== 'left'), { suspect, from }));
    }
    this.scheduler.pump();
  }

  prepare(shard: string, lanes: readonly number[]): Promise<void> {
    return this.parking.load(shard, lanes);
  }

  async retryDue(shard: string, lanes: readonly number[]): Promise<void> {
    this.retry(await this.parking.due(shard, lanes, DUE_AT_ONCE));
  }

  /** The time of parked keys has come; each takes its turn among its own events. */
  retry(heads: readonly StoredEvent[]): void {
    for (const event of heads) {
      const key = keyOf(event);
      if (this.retrying.has(key)) continue;
      this.retrying.add(key);
      this.scheduler.push(this.runner.jobOf(event, () => this.retrying.delete(key), { retry: true }));
    }
    this.scheduler.pump();
  }

  async drain(): Promise<void> {
    for (const job of this.scheduler.drop()) job.done('left');
    await this.scheduler.idle();
  }
}

import { BackgroundLoop, type Meter } from '@rookery/kernel';
import type { Shards } from '@rookery/sharding';
import { passIdleLanes } from '../groups/idle-lanes.js';
import { dropInboxes, keepLog } from './partitions.js';

const EVERY_MS = 3_600_000;

export interface LogUpkeepOptions {
  readonly shards: Shards;
  readonly retentionDays: number;
  /** Groups that read by the other transport: their lanes here wait for the way back. */
  readonly elsewhere: () => readonly string[];
  readonly meter: Meter;
  readonly onWarning: (message: string, error?: unknown) => void;
}

/** Keeps the partitions of the logs and inboxes of all shards: makes those ahead, drops those behind. */
export class LogUpkeep {
  private readonly loop: BackgroundLoop;
  private readonly notRead = new Map<string, readonly string[]>();

  constructor(private readonly options: LogUpkeepOptions) {
    this.loop = new BackgroundLoop({
      name: 'event-partitions',
      intervalMs: EVERY_MS,
      meter: options.meter,
      run: (signal) => this.run(signal),
      onError: (error) => options.onWarning('partitions of the event log could not be kept', error),
    });
  }

  /** By shard, the partitions that are kept only because a group has not read them. */
  get kept(): ReadonlyMap<string, readonly string[]> {
    return this.notRead;
  }

  start(): void {
    this.loop.start();
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  private async run(signal: AbortSignal): Promise<void> {
    const { shards, retentionDays } = this.options;
    const kept: string[] = [];
    await this.atEach(signal, async (shard) => kept.push(...(await this.keepLogOf(shard))));
    // Only where all were asked: another one may have events of any day to be read again.
    if (signal.aborted) return;
    await this.atEach(signal, (shard) => dropInboxes(shards, shard, retentionDays, kept));
  }

  /** Does something at each shard, whatever became of it at another one. */
  private async atEach(signal: AbortSignal, work: (shard: string) => Promise<unknown>): Promise<void> {
    const failures: unknown[] = [];
    for (const shard of this.options.shards.shardNames) {
      if (signal.aborted) return;
      try {
        await work(shard);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not every shard could be kept');
  }

  private async keepLogOf(shard: string): Promise<string[]> {
    const { shards, retentionDays, elsewhere, onWarning } = this.options;
    await passIdleLanes(shards, shard, elsewhere(), retentionDays / 2);
    const { kept } = await keepLog(shards, shard, retentionDays);
    for (const { partition, groups } of kept) {
      onWarning(
        `${partition} of ${shard} is older than it need be kept, and not read by ${groups.join(', ')}`,
      );
    }
    const partitions = kept.map(({ partition }) => partition);
    if (kept.length > 0) this.notRead.set(shard, partitions);
    else this.notRead.delete(shard);
    return partitions;
  }
}

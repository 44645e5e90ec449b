import { BackgroundLoop, type Counter, type Meter } from '@rookery/kernel';
import type { Shards } from '@rookery/sharding';
import { countProcesses, type ProcessCount } from '../operations/processes.js';
import { dropEndedProcesses } from './ended-processes.js';

export interface ProcessUpkeepOptions {
  readonly shards: Shards;
  /** Processes that this site declares. Where there is none nothing is counted. */
  readonly processes: readonly string[];
  /** See `dropEndedProcesses`. */
  readonly days: number;
  readonly meter: Meter;
  readonly onWarning: (message: string, error?: unknown) => void;
}

const DROP_MS = 3_600_000;
const COUNT_MS = 60_000;
const STATES = ['running', 'compensating', 'failed'] as const;

/** Drops ended processes behind, and counts those under way. Any number of replicas may do so at once. */
export class ProcessUpkeep {
  private readonly dropping: BackgroundLoop;
  private readonly counting: BackgroundLoop;
  private readonly dropped: Counter;
  private readonly counts = new Map<string, readonly ProcessCount[]>();
  private endGauge: (() => void) | undefined;

  constructor(private readonly options: ProcessUpkeepOptions) {
    const { meter, onWarning } = options;
    this.dropped = meter.counter({
      name: 'rookery_events_processes_dropped_total',
      help: 'Ended processes that were dropped',
      labels: ['process'],
    });
    this.dropping = new BackgroundLoop({
      name: 'ended-processes',
      intervalMs: DROP_MS,
      meter,
      run: (signal) => this.drop(signal),
      onError: (error) => onWarning('ended processes could not be dropped', error),
    });
    this.counting = new BackgroundLoop({
      name: 'process-counts',
      intervalMs: COUNT_MS,
      meter,
      run: (signal) => this.count(signal),
      onError: (error) => onWarning('processes could not be counted on every shard', error),
    });
  }

  start(): void {
    this.dropping.start();
    if (this.options.processes.length === 0) return;
    this.counting.start();
    this.endGauge = this.options.meter.gauge(
      {
        name: 'rookery_events_processes',
        help: 'Processes on a shard by state, as counted last: the same on every replica',
        labels: ['process', 'shard', 'state'],
      },
      () => this.read(),
    );
  }

  async stop(): Promise<void> {
    this.endGauge?.();
    await Promise.all([this.dropping.stop(), this.counting.stop()]);
  }

  private async drop(signal: AbortSignal): Promise<void> {
    const { shards, days } = this.options;
    const onDropped = (process: string, rows: number): void => this.dropped.add(rows, { process });
    if (await dropEndedProcesses(shards, { days, signal, onDropped })) this.dropping.wake();
  }

  private async count(signal: AbortSignal): Promise<void> {
    const failures: unknown[] = [];
    for (const shard of this.options.shards.shardNames) {
      if (signal.aborted) return;
      try {
        this.counts.set(shard, await countProcesses(this.options.shards, shard));
      } catch (error) {
        // What was true of a shard that is away is no figure of now.
        this.counts.delete(shard);
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not every shard answered');
  }

  private read() {
    return [...this.counts].flatMap(([shard, counts]) => {
      const names = new Set([...this.options.processes, ...counts.map(({ process }) => process)]);
      return [...names].flatMap((process) =>
        STATES.map((state) => ({
          value: counts.find((one) => one.process === process && one.status === state)?.count ?? 0,
          labels: { process, shard, state },
        })),
      );
    });
  }
}

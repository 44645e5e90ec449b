import { BackgroundLoop, type Deadline, type Meter } from '@rookery/kernel';
import type { GlobalCopies, GlobalHost, TableName } from './global-copies.js';

export interface GlobalFanOutOptions {
  readonly meter: Meter;
  readonly onWarning: (message: string, error?: unknown) => void;
}

const CATCH_UP_MS = 5_000;

/**
 * When copies are made: by the writer, as soon as its write is committed, and by a loop for what the writer could not or
 * did not live to do. What carries the news is behind this class alone.
 */
export class GlobalFanOut {
  private readonly loop: BackgroundLoop;
  private readonly warned = new Set<string>();

  constructor(
    private readonly host: GlobalHost,
    private readonly copies: GlobalCopies,
    private readonly tables: () => readonly TableName[],
    private readonly options: GlobalFanOutOptions,
  ) {
    this.loop = new BackgroundLoop({
      name: 'global-tables',
      intervalMs: CATCH_UP_MS,
      meter: options.meter,
      run: async (signal) => {
        await this.catchUp(signal);
      },
      onError: (error) => options.onWarning('copies of reference tables could not be looked at', error),
    });
  }

  start(): void {
    if (this.tables().length > 0) this.loop.start();
  }

  /** A shard is back, or was left behind: look soon. */
  wake(): void {
    this.loop.wake();
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  /** Copies a table that was just written, until the deadline; gives the shards that are left to the loop. */
  async written(table: TableName, deadline: Deadline): Promise<string[]> {
    const others = this.host.shardNames.slice(1);
    const failed = await this.copies.copy(table, others, deadline);
    this.report(table, failed);
    if (failed.size > 0) this.wake();
    return others.filter((shard) => failed.has(shard));
  }

  /** Brings every copy that is behind up to date, on all shards that answer. Gives how many were. */
  async catchUp(signal?: AbortSignal): Promise<number> {
    const [home, ...others] = this.host.shardNames.filter((shard) => !this.host.isAway(shard));
    if (home !== this.copies.home) return 0;
    const [newest, ...known] = await Promise.all([home, ...others].map((shard) => this.versionsAt(shard)));
    if (!newest) return 0;
    let copied = 0;
    for (const table of this.tables()) {
      if (signal?.aborted) break;
      const version = newest.get(table.name) ?? 0;
      const behind = others.filter((shard, i) => {
        const there = known[i]?.get(table.name) ?? 0;
        if (there > version) this.warnAhead(table, shard);
        return known[i] !== undefined && there < version;
      });
      const failed = await this.copies.copy(table, behind, this.host.deadline());
      copied += behind.length - failed.size;
      this.report(table, failed);
    }
    return copied;
  }

  /** A shard that goes away while it is asked is left to the next turn. */
  private async versionsAt(shard: string): Promise<Map<string, number> | undefined> {
    try {
      return await this.copies.versionsAt(shard);
    } catch (error) {
      if (this.host.isAway(shard)) return undefined;
      throw error;
    }
  }

  private report({ name }: TableName, failed: ReadonlyMap<string, unknown>): void {
    for (const [shard, error] of failed) {
      this.options.onWarning(`the copy of ${name} on shard ${shard} is behind`, error);
    }
  }

  private warnAhead({ name }: TableName, shard: string): void {
    const key = `${name} ${shard}`;
    if (this.warned.has(key)) return;
    this.warned.add(key);
    this.options.onWarning(
      `the copy of ${name} on shard ${shard} is newer than its home: was the home restored? republish it`,
    );
  }
}

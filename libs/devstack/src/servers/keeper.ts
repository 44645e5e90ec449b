import { setTimeout as delay } from 'node:timers/promises';
import type { Keepable } from './keepable.js';

/** `up`: as far as it knows. `waiting`: it has died, and is started again in a moment. `failed`: it is given up. */
export type KeeperState = 'up' | 'waiting' | 'starting' | 'failed';

export interface KeeperStatus {
  readonly state: KeeperState;
  /** Milliseconds since it was there last. */
  readonly uptimeMs: number;
  /** How often it has died. */
  readonly deaths: number;
  /** Why it waits, or is given up. */
  readonly note: string | undefined;
}

export interface KeeperOptions {
  /** As it is told of: `etcd`. */
  readonly name: string;
  /** It runs. */
  readonly server: Keepable;
  /** One line for each death and each return. @default nobody is told */
  readonly onEvent?: (line: string) => void;
  /** Milliseconds until it is started again; doubled with each death of the last minute, up to 30 s. @default 500 */
  readonly backoffMs?: number;
  /** So many deaths within a minute, or so many starts in a row that fail, and it is given up. @default 5 */
  readonly limit?: number;
}

const MAX_BACKOFF_MS = 30_000;
const WINDOW_MS = 60_000;

/**
 * Keeps a server running: one that dies by itself is started again on its data and its ports, at growing distances. One that
 * dies again and again is given up. An end that was asked for by whoever has the server is none of its business.
 */
export class Keeper {
  private readonly leaving = new AbortController();
  private work: Promise<void> = Promise.resolve();
  private state: KeeperState = 'up';
  private note: string | undefined;
  private upSince = performance.now();
  private deaths = 0;
  private recent: number[] = [];
  private failedStarts = 0;

  constructor(private readonly options: KeeperOptions) {
    options.server.onDeath((how) => {
      if (!this.leaving.signal.aborted) this.work = this.bringBack(how);
    });
  }

  get status(): KeeperStatus {
    const { state, note, deaths } = this;
    return { state, note, deaths, uptimeMs: state === 'up' ? performance.now() - this.upSince : 0 };
  }

  /** For good. When it resolves, nothing is started any more: what was just being started has ended again, or runs. */
  async stop(): Promise<void> {
    this.leaving.abort();
    await this.work;
  }

  private async bringBack(how: string): Promise<void> {
    const { name, server } = this.options;
    const { signal } = this.leaving;
    const diedAt = performance.now();
    this.deaths += 1;
    this.failedStarts = 0;
    for (let reason = `${name} ended with ${how}`; ;) {
      const waitMs = this.nextWaitMs();
      if (waitMs === undefined) return this.giveUp(reason);
      this.become('waiting', reason);
      this.tell(`${reason}; started again in ${waitMs / 1_000} s`);
      const left = await delay(waitMs, false, { signal }).catch(() => true);
      if (left) return;
      this.become('starting', reason);
      try {
        await server.start(signal);
        break;
      } catch (error) {
        if (signal.aborted) return;
        this.failedStarts += 1;
        reason = (error as Error).message.split('\n')[0]!;
      }
    }
    this.upSince = performance.now();
    this.become('up', undefined);
    this.tell(`${name} is back after ${((this.upSince - diedAt) / 1_000).toFixed(1)} s`);
  }

  /** `undefined`: it is not worth another try. */
  private nextWaitMs(): number | undefined {
    const { backoffMs = 500, limit = 5 } = this.options;
    const now = performance.now();
    this.recent = [...this.recent.filter((at) => now - at < WINDOW_MS), now];
    if (this.recent.length >= limit || this.failedStarts >= limit) return undefined;
    const times = Math.max(this.recent.length, this.failedStarts);
    return Math.min(backoffMs * 2 ** (times - 1), MAX_BACKOFF_MS);
  }

  private giveUp(reason: string): void {
    const { server, limit = 5 } = this.options;
    const often =
      this.recent.length >= limit
        ? `${this.recent.length} times within a minute`
        : `${this.failedStarts} times in a row`;
    this.become('failed', `given up; log: ${server.logFile}`);
    this.tell(`${reason}; ${often}: it is not started again, its log is ${server.logFile}`);
  }

  private become(state: KeeperState, note: string | undefined): void {
    this.state = state;
    this.note = note;
  }

  private tell(line: string): void {
    this.options.onEvent?.(line);
  }
}

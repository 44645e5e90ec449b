import { setTimeout as pause } from 'node:timers/promises';
import type { Shards } from '@rookery/sharding';
import { RECORDER_GROUPS } from './recorder-replica.js';
import { recorderKeys, untilSeen, verdictOn, writeKeys, type Verdict, type WriteLoad } from './recorder.js';

export interface FaultRunOptions {
  /** Where the writes go: of a site with `recorderSchema`, whose events have `recorded` among them. */
  readonly shards: Shards;
  /** Groups that record what they see. @default those of the recorder */
  readonly groups?: readonly string[];
  /** @default 40 */
  readonly keys?: number;
  /** Writes under way at once. @default 8 */
  readonly writers?: number;
  /** Most writes begun in a second: what the site could handle with some room to spare. @default 300 */
  readonly perSecond?: number;
  /**
   * Milliseconds of writing other keys first, until they are seen, so that a site that has just been started is at its
   * pace. @default 1000
   */
  readonly warmUpMs?: number;
  /** Milliseconds of writing before the fault, and after it is over. @default 500 */
  readonly calmMs?: number;
  /** Longest the groups may take to catch up once nothing is written any more, in milliseconds. @default 60000 */
  readonly catchUpMs?: number;
}

/** What a fault has done to the events that were written meanwhile; over all groups where not said otherwise. */
export interface FaultReport {
  readonly fault: string;
  /** Writes that were acknowledged; one that failed may stand all the same. */
  readonly acknowledged: number;
  readonly failed: number;
  /** Writes that stand, each to be seen once by each group. */
  readonly written: number;
  /** Never seen, and acknowledged writes that do not stand. */
  readonly lost: number;
  readonly duplicated: number;
  readonly inverted: number;
  /** Of the group with the longest. */
  readonly longestGapMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Milliseconds from the last write until the last group had seen everything. */
  readonly caughtUpMs: number;
  readonly byGroup: Readonly<Record<string, Verdict>>;
}

/** The load as it stands while a fault is under way. */
export interface RunningLoad {
  readonly shards: Shards;
  readonly keys: readonly string[];
  /** Aborted when the writing ends. */
  readonly signal: AbortSignal;
}

/**
 * Writes versions of keys, lets a fault happen meanwhile, waits until the site has caught up, and compares what stands with
 * what each group has seen. Keys are new for each fault, so that one site can be put through many.
 */
export class FaultRun {
  constructor(private readonly options: FaultRunOptions) {}

  /**
   * @param inject makes the fault happen, and mends it: when it returns the site should be able to catch up
   * @throws what `inject` does, and what the shards say where they cannot be asked in the end
   */
  async under(fault: string, inject: (load: RunningLoad) => Promise<void>): Promise<FaultReport> {
    const { shards, groups = RECORDER_GROUPS, writers = 8, perSecond = 300, calmMs = 500 } = this.options;
    const keys = recorderKeys(this.options.keys ?? 40);
    await this.warmUp(groups, { shards, keys: recorderKeys(keys.length), writers, perSecond });
    const over = new AbortController();
    const { signal } = over;
    const writing = writeKeys({ shards, keys, writers, perSecond, signal });
    try {
      await pause(calmMs);
      await inject({ shards, keys, signal });
      await pause(calmMs);
    } finally {
      over.abort();
      await writing;
    }
    const { acknowledged, failed } = await writing;
    const caughtUpMs = await this.caughtUp(groups, keys);
    const verdicts = await Promise.all(groups.map((group) => verdictOn(shards, group, keys)));
    const sum = (of: (verdict: Verdict) => number) => verdicts.reduce((total, one) => total + of(one), 0);
    const most = (of: (verdict: Verdict) => number) => Math.max(0, ...verdicts.map(of));
    const written = most((verdict) => verdict.written);
    return {
      fault,
      acknowledged,
      failed,
      written,
      lost: sum((verdict) => verdict.lost) + Math.max(0, acknowledged - written),
      duplicated: sum((verdict) => verdict.duplicated),
      inverted: sum((verdict) => verdict.inverted),
      longestGapMs: most((verdict) => verdict.longestGapMs),
      p50Ms: most((verdict) => verdict.p50Ms),
      p99Ms: most((verdict) => verdict.p99Ms),
      caughtUpMs,
      byGroup: Object.fromEntries(groups.map((group, i) => [group, verdicts[i]!])),
    };
  }

  private async warmUp(groups: readonly string[], load: Omit<WriteLoad, 'signal'>): Promise<void> {
    await writeKeys({ ...load, signal: AbortSignal.timeout(this.options.warmUpMs ?? 1_000) });
    await this.caughtUp(groups, load.keys);
  }

  /** Milliseconds until the last group has seen everything, or until they are given up. */
  private async caughtUp(groups: readonly string[], keys: readonly string[]): Promise<number> {
    const { shards, catchUpMs = 60_000 } = this.options;
    const since = performance.now();
    for (const group of groups) {
      await untilSeen(shards, group, catchUpMs - (performance.now() - since), keys);
    }
    return performance.now() - since;
  }
}

/** What is wrong in a report, in words; empty where nothing is. */
export function wrongIn(report: FaultReport): string {
  const { fault, acknowledged, written, lost, duplicated, inverted, byGroup } = report;
  if (written === 0) return `under ${fault} nothing was written`;
  if (lost + duplicated + inverted === 0) return '';
  const lines = Object.values(byGroup).flatMap(({ examples }) => examples);
  if (acknowledged > written) lines.push(`acknowledged: ${acknowledged}, of which ${written} stand`);
  return [
    `under ${fault}, of ${written} events: ${lost} lost, ${duplicated} applied twice, ${inverted} out of order`,
    ...lines,
  ].join('\n  ');
}

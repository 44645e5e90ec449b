import type { EdgeFault } from './fault.js';

/** What became of the requests, the writes and the events of one fault. */
export interface EdgeReport {
  readonly fault: EdgeFault;
  readonly requests: number;
  readonly failedReads: readonly string[];
  /** Those of them that need nothing of the shard with a server of its own. */
  readonly failedElsewhere: readonly string[];
  /** Of the requests, those that need nothing of that shard. */
  readonly elsewhere: number;
  readonly failedWrites: readonly string[];
  readonly longestWindowMs: number;
  readonly slowestMs: number;
  /** Writes that were acknowledged. */
  readonly writes: number;
  readonly writesLost: readonly string[];
  readonly eventsLost: readonly string[];
  /** From the end of what was done to it until everything was as before by itself; `undefined` where it was not. */
  readonly recoveredMs: number | undefined;
  /** From the last write until all groups had caught up. */
  readonly caughtUpMs: number;
}

const COLUMNS = [
  ...['requests', 'GETs failed', 'POSTs failed', 'window ms', 'slowest ms', 'writes', 'writes lost'],
  ...['events lost', 'back ms', 'behind ms'],
];
const FIRST = 18;
const OTHERS = 14;

export function headerOfTable(): string {
  return 'fault'.padEnd(FIRST) + COLUMNS.map((name) => name.padStart(OTHERS)).join('');
}

/** `back`: by itself, after that time; `behind`: until all events had been handled. */
export function rowOfTable(report: EdgeReport): string {
  const { fault, requests, failedReads, failedWrites, writes, writesLost, eventsLost, recoveredMs } = report;
  const values = [
    ...[requests, failedReads.length, failedWrites.length, report.longestWindowMs, report.slowestMs],
    ...[writes, writesLost.length, eventsLost.length, recoveredMs ?? 'never', report.caughtUpMs],
  ];
  const shown = values.map((value) => (typeof value === 'number' ? value.toFixed(0) : value));
  return fault.name.padEnd(FIRST) + shown.map((value) => value.padStart(OTHERS)).join('');
}

/** What must not be, one line for each kind of it. */
export function wrongIn(report: EdgeReport): string[] {
  const lines = new Map<string, number>();
  for (const line of everythingWrong(report)) lines.set(line, (lines.get(line) ?? 0) + 1);
  return [...lines].map(
    ([line, times]) => `${report.fault.name}: ${times === 1 ? '' : `${times} × `}${line}`,
  );
}

function everythingWrong(report: EdgeReport): string[] {
  const { fault, failedReads, failedElsewhere, failedWrites, writesLost, eventsLost, recoveredMs } = report;
  const { spares } = fault;
  const sparedReads = spares === 'reads elsewhere' ? failedElsewhere : failedReads;
  return [
    ...sparedReads.map((line) => `failed: ${line}`),
    ...(report.elsewhere === 0 ? ['nothing was asked of other shards'] : []),
    ...(spares === 'all' ? failedWrites.map((line) => `failed: ${line}`) : []),
    ...writesLost.map((line) => `acknowledged: ${line}`),
    ...eventsLost.map((line) => `events: ${line}`),
    ...(recoveredMs === undefined ? ['it did not recover by itself'] : []),
  ];
}

import type { FaultReport } from '@rookery/events/testing';
import type { Transport } from './fault.js';

const COLUMNS = ['written', 'lost', 'twice', 'inverted', 'gap ms', 'p50 ms', 'p99 ms', 'behind ms'] as const;
const [FIRST, SECOND, OTHERS] = [20, 7, 11];

export function headerOfTable(): string {
  return (
    'fault'.padEnd(FIRST) + 'over'.padEnd(SECOND) + COLUMNS.map((name) => name.padStart(OTHERS)).join('')
  );
}

/** Milliseconds without a fraction: `gap` is the longest time without any effect, `behind` that of catching up. */
export function rowOfTable(transport: Transport, report: FaultReport): string {
  const { fault, written, lost, duplicated, inverted, longestGapMs, p50Ms, p99Ms, caughtUpMs } = report;
  const values = [written, lost, duplicated, inverted, longestGapMs, p50Ms, p99Ms, caughtUpMs];
  return (
    fault.padEnd(FIRST) +
    transport.padEnd(SECOND) +
    values.map((value) => value.toFixed(0).padStart(OTHERS)).join('')
  );
}

import { CodedError } from '@rookery/kernel';
import { eventsErrors } from '../events.errors.js';

/** How a failing handler is tried again. */
export interface RetryOptions {
  /** Tries in a row before the event is parked. @default 3 */
  readonly inPlace?: number;
  /** First wait between them, in milliseconds; doubles, with full jitter. @default 20 */
  readonly firstWaitMs?: number;
  /** Tries of a parked event before it is given up to `onExhausted`, after the first. @default 8 */
  readonly parked?: number;
  /** First wait of a parked event, in milliseconds; doubles with each try. @default 1000 */
  readonly parkedWaitMs?: number;
}

const MAX_PARKED_WAIT_MS = 10 * 60_000;
const MAX_OUTAGE_WAIT_MS = 1_000;

export class RetryPolicy {
  readonly inPlace: number;
  readonly parked: number;
  private readonly firstWaitMs: number;
  private readonly parkedWaitMs: number;

  constructor({ inPlace = 3, firstWaitMs = 20, parked = 8, parkedWaitMs = 1_000 }: RetryOptions = {}) {
    this.inPlace = inPlace;
    this.firstWaitMs = firstWaitMs;
    this.parked = parked;
    this.parkedWaitMs = parkedWaitMs;
  }

  /** Full jitter (Brooker, "Exponential Backoff And Jitter", 2015). @param failures 1 after the first */
  waitInPlace(failures: number): number {
    return Math.random() * this.firstWaitMs * 2 ** failures;
  }

  waitInOutage(failures: number): number {
    return Math.random() * Math.min(MAX_OUTAGE_WAIT_MS, this.firstWaitMs * 2 ** Math.min(failures, 10));
  }

  /** @param attempts made so far */
  waitParked(attempts: number): number {
    return (
      Math.min(MAX_PARKED_WAIT_MS, this.parkedWaitMs * 2 ** Math.min(attempts - 1, 20)) *
      (0.8 + Math.random() * 0.4)
    );
  }
}

/** Of the database, not of the event: nothing is learnt by parking it, and every other event would meet the same. */
const OUTAGES = new Set([
  'RK_SHARDING_SHARD_UNAVAILABLE',
  'RK_SHARDING_SLOT_UNOWNED',
  'RK_SHARDING_SLOT_CLOSED',
  'RK_SHARDING_STALE_ROUTE',
  'RK_SHARDING_POOL_EXHAUSTED',
  'RK_SHARDING_CONNECTION_LOST',
  'RK_SHARDING_COMMIT_UNKNOWN',
  'RK_SHARDING_CONTENTION',
]);
/** Classes of SQLSTATE that tell of the server: resources, operator intervention, system error, connection. */
const OUTAGE_STATES = /^(53|57P|58|08)/;

/** Whether a failure tells of a dependency that is away rather than of the event. */
export function isOutage(error: unknown): boolean {
  if (eventsErrors.is(error, 'DEPENDENCY_AWAY')) return true;
  if (error instanceof CodedError) return OUTAGES.has(error.code);
  return error instanceof Error && 'code' in error && OUTAGE_STATES.test(String(error.code));
}

export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.name : 'unknown';
}

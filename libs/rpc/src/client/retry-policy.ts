import { status as Status, type ServiceError } from '@grpc/grpc-js';
import { PUSHBACK } from '../status/status-of-error.js';

const BASE_MS = 20;
const MAX_MS = 500;

/**
 * Milliseconds to wait before another attempt, or undefined where there is to be none: only for calls that did not get
 * through (`UNAVAILABLE`), or took too long for one attempt (`slow`). Full jitter (AWS, "Exponential Backoff And Jitter");
 * a server that says when, is believed (gRPC proposal A6, `grpc-retry-pushback-ms`).
 */
export function waitBeforeRetry(
  failure: ServiceError,
  attempt: number,
  slow: boolean,
  random: () => number = Math.random,
): number | undefined {
  if (slow) return 0;
  if (failure.code !== Status.UNAVAILABLE) return undefined;
  const [told] = failure.metadata?.get(PUSHBACK) ?? [];
  if (told !== undefined) {
    const wait = Number(told);
    return Number.isFinite(wait) && wait >= 0 ? wait : undefined;
  }
  return random() * Math.min(MAX_MS, BASE_MS * 2 ** (attempt - 1));
}

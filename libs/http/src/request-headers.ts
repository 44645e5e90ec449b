import type { IncomingHttpHeaders } from 'node:http';
import { newRequestId } from './request-id.js';

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;
const TRACE_PARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;

/** The caller's `x-request-id` where it is 1 to 64 of `[A-Za-z0-9._-]`, or a new one. */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : newRequestId();
}

/** The trace id of a valid `traceparent` (W3C Trace Context, level 1). */
export function traceIdOf(headers: IncomingHttpHeaders): string | undefined {
  const given = headers['traceparent'];
  if (typeof given !== 'string') return undefined;
  const match = TRACE_PARENT.exec(given);
  // Only versions after 00 may have more after the flags.
  if (match === null || (match[1] === '00' && match[3] !== undefined)) return undefined;
  return match[2];
}

/** Milliseconds this request may take: the server's limit, or less where the caller says so in `request-timeout-ms`. */
export function budgetOf(headers: IncomingHttpHeaders, deadlineMs: number): number {
  const given = headers['request-timeout-ms'];
  if (typeof given !== 'string' || !/^[1-9]\d{0,8}$/.test(given)) return deadlineMs;
  return Math.min(Number(given), deadlineMs);
}

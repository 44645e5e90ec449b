import { randomBytes, randomUUID } from 'node:crypto';
import type { Metadata } from '@grpc/grpc-js';
import type { RequestContext } from '@rookery/kernel';

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;
const TRACE_PARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;

/** The caller's `x-request-id` where it is 1 to 64 of `[A-Za-z0-9._-]`, or a new one. */
export function requestIdOf(metadata: Metadata): string {
  const [given] = metadata.get('x-request-id');
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}

/** The trace id of a valid `traceparent` (W3C Trace Context, level 1). */
export function traceIdOf(metadata: Metadata): string | undefined {
  const [given] = metadata.get('traceparent');
  const match = typeof given === 'string' ? TRACE_PARENT.exec(given) : null;
  // Only versions after 00 may have more after the flags.
  if (match === null || (match[1] === '00' && match[3] !== undefined)) return undefined;
  return match[2];
}

/**
 * Sends the context along: request id, and the trace under a span id of this call. The flag says "not recorded": the
 * context does not know whether it is, and so nobody downstream records for a trace that has no beginning.
 */
export function sendContext(metadata: Metadata, context: RequestContext | undefined): void {
  if (context === undefined) return;
  if (metadata.get('x-request-id').length === 0) metadata.set('x-request-id', context.requestId);
  if (context.traceId !== undefined && metadata.get('traceparent').length === 0) {
    metadata.set('traceparent', `00-${context.traceId}-${randomBytes(8).toString('hex')}-00`);
  }
}

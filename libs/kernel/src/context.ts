import { Ambient } from './ambient.js';
import type { Deadline } from './deadline.js';

/** What travels with one request (or one handled event) through everything it calls. */
export interface RequestContext {
  readonly requestId: string;
  readonly deadline: Deadline;
  /** W3C trace id, when the caller sent one. */
  readonly traceId?: string;
  /** Set by authentication; absent for anonymous requests. */
  viewerId?: string;
  /** Route template, for metrics and logs; set once routing is done. */
  route?: string;
}

const storage = new Ambient<RequestContext>();

/** Runs `work` with `context` visible to everything it calls, awaited or not. */
export function runInContext<T>(context: RequestContext, work: () => T): T {
  return storage.run(context, work);
}

/** The context of the request under way; `undefined` outside one (a background loop, a script). */
export function currentContext(): RequestContext | undefined {
  return storage.get();
}

/** The deadline of the request under way. */
export function currentDeadline(): Deadline | undefined {
  return storage.get()?.deadline;
}

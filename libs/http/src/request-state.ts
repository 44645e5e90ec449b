import type { RequestContext } from '@rookery/kernel';
import type { HttpRequest } from './http.types.js';

const STATE = Symbol('rookery.request');

/** What the request path knows of a request. */
export interface RequestState {
  readonly context: RequestContext;
  /** On the clock of `performance.now()`. */
  readonly startedAt: number;
  /** Fires at the deadline; cleared once the answer is out. */
  timer: NodeJS.Timeout | undefined;
  /** Code of the problem that was answered. */
  code: string | undefined;
}

type Carrier = HttpRequest & { [STATE]?: RequestState };

export function stateOf(request: HttpRequest): RequestState | undefined {
  return (request as Carrier)[STATE];
}

export function setState(request: HttpRequest, state: RequestState): void {
  (request as Carrier)[STATE] = state;
}

import {
  Metadata,
  ServerInterceptingCall,
  status as Status,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import { Deadline, runInContext, type Histogram, type RequestContext } from '@rookery/kernel';
import { requestIdOf, traceIdOf } from '../call/call-metadata.js';
import { codeOfTrailers } from '../status/error-of-status.js';
import { nameOfStatus } from '../status/status-codes.js';
import { statusOfError } from '../status/status-of-error.js';
import type { ResolvedRpcServerOptions } from './rpc.options.js';

/** Asked for by machinery, for as long as it likes: neither measured nor limited. */
const MACHINERY = /^\/grpc\.(health|reflection)\./;

type Options = Pick<ResolvedRpcServerOptions, 'deadlineMs' | 'meter' | 'onCallDone' | 'onError'>;

interface CallState {
  readonly context: RequestContext;
  readonly method: string;
  readonly startedAt: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * What every call of an application's service passes: it gets the kernel's context, with the caller's request id, trace and
 * deadline (the server's, where that is sooner or there is none), and is measured and reported once, when its status is out
 * or its caller is gone. Unanswered at its deadline it is answered; what its handler answers later is dropped.
 */
export class CallInterceptor {
  private underWay = 0;
  private readonly duration: Histogram;

  constructor(private readonly options: Options) {
    const { meter } = options;
    this.duration = meter.histogram({
      name: 'rpc_server_duration_seconds',
      help: 'Time from the metadata of a call to its status',
      labels: ['method', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    });
    meter.gauge({ name: 'rpc_server_calls_in_flight', help: 'Calls without a status' }, () => [
      { value: this.underWay },
    ]);
  }

  readonly intercept: ServerInterceptor = ({ path, requestStream }, call) => {
    if (MACHINERY.test(path)) return new ServerInterceptingCall(call);
    let state: CallState | undefined;
    const end = (status: Status, code?: string): void => {
      if (state === undefined) return;
      const ended = state;
      state = undefined;
      this.end(ended, status, code, call);
    };
    const intercepting = new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, go) => {
            const begun = this.begin(path.slice(1), metadata, call, () => {
              const late = begun.context.deadline.exceeded('handling the call');
              intercepting.sendStatus(statusOfError(late, begun.method));
            });
            state = begun;
            // A handler with a stream of requests begins here, one with a single request when that is complete.
            if (requestStream) runInContext(begun.context, () => go(metadata));
            else go(metadata);
          },
          onReceiveMessage: (message, go) => {
            if (requestStream && state) runInContext(state.context, () => go(message));
            else go(message);
          },
          onReceiveHalfClose: (go) => {
            if (state) runInContext(state.context, go);
            else go();
          },
          // Follows every end: here the status is known already, or nobody waits for it.
          onCancel: () =>
            end(state?.context.deadline.passed === true ? Status.DEADLINE_EXCEEDED : Status.CANCELLED),
        }),
      // A call that has ended here has its answer.
      sendMetadata: (metadata, next) => {
        if (state) next(metadata);
      },
      sendMessage: (message, next) => {
        if (state) next(message);
      },
      sendStatus: (status, next) => {
        if (state === undefined) return;
        end(status.code ?? Status.UNKNOWN, codeOfTrailers(status.metadata));
        next(status);
      },
    });
    return intercepting;
  };

  private begin(
    method: string,
    metadata: Metadata,
    call: ServerInterceptingCallInterface,
    expire: () => void,
  ): CallState {
    const asked = Number(call.getDeadline()) - Date.now();
    const { deadlineMs } = this.options;
    const state: CallState = {
      context: {
        requestId: requestIdOf(metadata),
        deadline: Deadline.after(Math.min(asked, deadlineMs)),
        traceId: traceIdOf(metadata),
        viewerId: undefined,
        route: method,
      },
      method,
      startedAt: performance.now(),
      // The caller's own deadline is kept by grpc-js.
      timer: asked > deadlineMs ? setTimeout(expire, deadlineMs) : undefined,
    };
    this.underWay += 1;
    return state;
  }

  private end(
    { context, method, startedAt, timer }: CallState,
    status: Status,
    code: string | undefined,
    call: ServerInterceptingCallInterface,
  ): void {
    clearTimeout(timer);
    this.underWay -= 1;
    const durationMs = performance.now() - startedAt;
    const name = nameOfStatus(status);
    this.duration.observe(durationMs / 1000, { method, status: name });
    const { requestId, traceId, viewerId } = context;
    const { onCallDone } = this.options;
    try {
      onCallDone({
        requestId,
        traceId,
        viewerId,
        method,
        status: name,
        code,
        durationMs,
        peer: call.getPeer(),
      });
    } catch (error) {
      // The access log is not the caller's business; thrown from here it would end the process.
      this.options.onError(error, method);
    }
  }
}

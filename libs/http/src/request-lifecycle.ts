import type { ServerResponse } from 'node:http';
import { Deadline, runInContext, type CodedError, type Histogram, type Labels } from '@rookery/kernel';
import { httpErrors } from './http.errors.js';
import type { RequestDone, ResolvedHttpOptions } from './http.options.js';
import type { HttpReply, HttpRequest } from './http.types.js';
import type { ProblemResponder } from './problem-responder.js';
import { budgetOf, traceIdOf } from './request-headers.js';
import { setState, stateOf, type RequestState } from './request-state.js';
import { DOCS_POLICY, SECURITY_HEADERS } from './security-headers.js';
import { urlTextProblem } from './url-text.js';

/** What a client gets that left before its answer was out; nobody sees it but metrics and logs. */
const CLIENT_LEFT = 499;
const UNMATCHED = 'unmatched';

type Done = (error?: Error) => void;
type Counted = Pick<RequestDone, 'method' | 'route' | 'status'>;

/**
 * What every request passes: it gets a context with an id and a deadline, the header fields of every answer, and is
 * measured and reported once, when its answer is out or its client is gone. Unanswered at its deadline it is answered
 * 504 (408 if it has not even arrived); what its handler answers later is dropped.
 */
export class RequestLifecycle {
  private inFlight = 0;
  private readonly duration: Histogram;
  private readonly headers = Object.entries(SECURITY_HEADERS);
  private readonly docsPath: string | undefined;

  constructor(
    private readonly options: ResolvedHttpOptions,
    private readonly responder: ProblemResponder,
  ) {
    const { meter, docs } = options;
    this.docsPath = docs === undefined ? undefined : (docs.path ?? '/docs');
    this.duration = meter.histogram({
      name: 'http_server_request_duration_seconds',
      help: 'Time from the header of a request to the end of its answer',
      labels: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    });
    meter.gauge(
      { name: 'http_server_requests_in_flight', help: 'Requests without a complete answer' },
      () => [{ value: this.inFlight }],
    );
  }

  /**
   * First of Fastify's hooks: the rest of the request runs in its context, what follows the body too (Fastify restores the
   * context that its bytes arrive outside of).
   */
  readonly onRequest = (request: HttpRequest, reply: HttpReply, done: Done): void => {
    const { context } = this.begin(request, reply);
    const { headers } = request.raw;
    // A body of no bytes is of no type: what expects none must not refuse it for its type.
    if (headers['content-length'] === '0') delete headers['content-type'];
    const problem = headProblem(request);
    runInContext(context, problem === undefined ? done : () => done(problem));
  };

  /** The state of a request; made at the first call. Requests the router refuses begin in the filter. */
  begin(request: HttpRequest, reply: HttpReply): RequestState {
    const begun = stateOf(request);
    if (begun !== undefined) return begun;
    const { headers } = request.raw;
    const deadline = Deadline.after(budgetOf(headers, this.options.deadlineMs));
    const state: RequestState = {
      context: {
        requestId: request.id,
        deadline,
        traceId: traceIdOf(headers),
        viewerId: undefined,
        route: request.routeOptions.url ?? UNMATCHED,
      },
      startedAt: performance.now(),
      timer: undefined,
      code: undefined,
    };
    setState(request, state);
    this.inFlight += 1;
    state.timer = setTimeout(() => this.expire(request, reply, state), deadline.budgetMs);
    reply.raw.once('close', () => this.end(request, reply.raw, state));
    reply.header('x-request-id', request.id);
    for (const [name, value] of this.headers) reply.header(name, value);
    if (this.docsPath !== undefined && request.raw.url?.startsWith(this.docsPath)) {
      reply.header('content-security-policy', DOCS_POLICY);
    }
    return state;
  }

  private expire(request: HttpRequest, reply: HttpReply, state: RequestState): void {
    const error = request.raw.complete
      ? state.context.deadline.exceeded('handling the request')
      : httpErrors.create('REQUEST_TIMEOUT');
    runInContext(state.context, () => this.responder.respond(error, request, reply));
  }

  private end(request: HttpRequest, raw: ServerResponse, state: RequestState): void {
    clearTimeout(state.timer);
    this.inFlight -= 1;
    const { context } = state;
    const { method } = request;
    const route = context.route ?? UNMATCHED;
    const status = raw.writableFinished ? raw.statusCode : CLIENT_LEFT;
    const durationMs = performance.now() - state.startedAt;
    runInContext(context, () =>
      this.report({
        requestId: context.requestId,
        traceId: context.traceId,
        viewerId: context.viewerId,
        method,
        route,
        path: pathOf(request),
        status,
        durationMs,
        address: request.ip,
        code: state.code,
      }),
    );
  }

  /**
   * Counts a request whose answer is out, and tells of it.
   * @param labels those of its metrics, from whoever has them ready
   */
  report(done: RequestDone, labels: Labels = labelsOf(done)): void {
    this.duration.observe(done.durationMs / 1000, labels);
    try {
      this.options.onRequestDone?.(done);
    } catch (error) {
      // Nobody is left to answer; thrown from here it would end the process.
      this.options.logger.error({ err: error, requestId: done.requestId }, 'onRequestDone failed');
    }
  }
}

/** What a request is counted by. */
export function labelsOf({ method, route, status }: Counted): Labels {
  return { method, route, status: String(status) };
}

function pathOf(request: HttpRequest): string {
  const url = request.raw.url ?? '/';
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

/** What is wrong with a request before its body is read. */
function headProblem(request: HttpRequest): CodedError | undefined {
  const { raw } = request;
  if (raw.headers.host === undefined && raw.httpVersion === '1.1') {
    return httpErrors.create('MALFORMED_REQUEST');
  }
  return request.is404 ? undefined : urlTextProblem(request);
}

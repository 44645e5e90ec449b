import type { Socket } from 'node:net';
import { httpErrors } from './http.errors.js';
import type { ResolvedHttpOptions } from './http.options.js';
import type { HttpReply, HttpRequest } from './http.types.js';
import { problemDetails } from './problem-details.renderer.js';
import { problemOf } from './problem-of.js';
import type { Problem, RenderedProblem } from './problem.js';
import { stateOf } from './request-state.js';

/** How much of a body that nobody wants is read so that its sender can read the answer. */
const DRAIN_BYTES = 32 * 1_048_576;
const DRAIN_MS = 5000;

interface ReadyProblem extends RenderedProblem {
  readonly body: Buffer;
}

/** Answers failures: makes the problem, logs what is the server's fault, renders, sends. Never throws. */
export class ProblemResponder {
  constructor(private readonly options: ResolvedHttpOptions) {}

  /** Sends the problem that `error` is, unless the request has an answer already. */
  respond(error: unknown, request: HttpRequest, reply: HttpReply): void {
    const state = stateOf(request);
    const requestId = state?.context.requestId ?? request.id;
    const problem = problemOf(blamed(error, request), this.options.bodyLimitBytes);
    if (reply.sent || reply.raw.headersSent) {
      // Past the deadline 504s are what is expected of a handler; anything else would be lost here.
      if (problem.status === 500)
        this.report(problem, requestId, request, 'a request failed after its answer');
      return;
    }
    if (state !== undefined) state.code = problem.code;
    if (problem.status >= 500) this.report(problem, requestId, request, 'a request failed');
    const rendered = this.render(problem, requestId);
    for (const [name, value] of Object.entries(headersOf(problem, rendered))) reply.header(name, value);
    settleConnection(request, reply, problem.status);
    reply.code(rendered.status).header('content-type', rendered.contentType).send(rendered.body);
  }

  /** The application's rendering, or the default one where that fails. */
  render(problem: Problem, requestId: string): ReadyProblem {
    try {
      return ready(this.options.errorRenderer.render(problem, { requestId }));
    } catch (error) {
      this.options.logger.error({ err: error, requestId, code: problem.code }, 'the error renderer failed');
      return ready(problemDetails.render(problem, { requestId }));
    }
  }

  private report(problem: Problem, requestId: string, request: HttpRequest, message: string): void {
    const { status, code } = problem;
    const route = request.routeOptions.url ?? 'unmatched';
    const fields = { err: problem.error, requestId, code, status, method: request.method, route };
    if (status === 500) this.options.logger.error(fields, message);
    else this.options.logger.warn(fields, message);
  }
}

/** Whoever breaks its own upload off is not the server's fault, and no reason to wake anybody. */
function blamed(error: unknown, { raw }: HttpRequest): unknown {
  return error !== null && error === raw.errored
    ? httpErrors.create('REQUEST_ABORTED', { cause: error })
    : error;
}

/** Bytes rather than a string or an object, so that Fastify neither serializes again nor adds to the content type. */
function ready(rendered: RenderedProblem): ReadyProblem {
  const { body } = rendered;
  if (Buffer.isBuffer(body)) return { ...rendered, body };
  return { ...rendered, body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) };
}

/** Header fields of an answer that come from the problem and its rendering. */
export function headersOf(problem: Problem, rendered: RenderedProblem): Record<string, string> {
  const headers: Record<string, string> = { ...problem.headers, ...rendered.headers };
  if (problem.retryAfterSeconds !== undefined) {
    headers['retry-after'] = String(Math.max(0, Math.ceil(problem.retryAfterSeconds)));
  }
  return headers;
}

/**
 * Fastify closes the connection after any fault in a body. Where the body was read to its end there is no need. Where it
 * was not, closing resets the connection while its sender still writes, and the answer is lost with it: so the rest is
 * read and dropped, within bounds, and only a sender that goes on beyond them is cut off.
 */
function settleConnection(request: HttpRequest, reply: HttpReply, status: number): void {
  const { raw } = request;
  if (raw.complete) {
    reply.removeHeader('connection');
    return;
  }
  if (status === 408) {
    reply.header('connection', 'close');
    return;
  }
  if (status !== 413) return;
  reply.removeHeader('connection');
  const socket: Socket = raw.socket;
  const timer = setTimeout(() => socket.destroy(), DRAIN_MS).unref();
  let dropped = 0;
  raw.on('data', (chunk: Buffer) => {
    dropped += chunk.length;
    if (dropped > DRAIN_BYTES) socket.destroy();
  });
  raw.once('close', () => clearTimeout(timer));
  raw.once('end', () => clearTimeout(timer));
}

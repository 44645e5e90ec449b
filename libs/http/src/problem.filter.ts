import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { runInContext } from '@rookery/kernel';
import { httpErrors } from './http.errors.js';
import type { HttpReply, HttpRequest } from './http.types.js';
import type { ProblemResponder } from './problem-responder.js';
import type { RequestLifecycle } from './request-lifecycle.js';
import type { RouteTable } from './route-table.js';

/** The global exception filter: whatever reaches it is answered as a problem, in the context of its request. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly responder: ProblemResponder,
    private readonly lifecycle: RequestLifecycle,
    private readonly routes: RouteTable,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<HttpRequest>();
    const reply = http.getResponse<HttpReply>();
    const { context } = this.lifecycle.begin(request, reply);
    const thrown = request.is404 && isNotFound(error) ? this.unrouted(request) : error;
    runInContext(context, () => this.responder.respond(thrown, request, reply));
  }

  private unrouted(request: HttpRequest): Error {
    const allow = this.routes.methodsOf(request.raw.url ?? '/');
    return allow.length === 0
      ? httpErrors.create('ROUTE_NOT_FOUND')
      : httpErrors.create('METHOD_NOT_ALLOWED', { data: { allow: allow.join(', ') } });
  }
}

function isNotFound(error: unknown): boolean {
  return (
    error instanceof Error && 'getStatus' in error && (error as { getStatus(): number }).getStatus() === 404
  );
}

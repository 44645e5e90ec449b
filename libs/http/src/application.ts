import type { IncomingHttpHeaders } from 'node:http';
import type { DynamicModule, NestApplicationOptions, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { runInContext } from '@rookery/kernel';
import { ConnectionRefuser } from './connection-refuser.js';
import { serveDocs } from './docs.js';
import { EarlyAnswers, type FindEarly, type KnowViewer } from './early-answers.js';
import { HttpAdapter } from './http.adapter.js';
import { resolveHttpOptions, type HttpOptions, type ResolvedHttpOptions } from './http.options.js';
import type { HttpReply, HttpRequest } from './http.types.js';
import { parseJsonBody } from './json-body.js';
import { ProblemFilter } from './problem.filter.js';
import { ProblemResponder } from './problem-responder.js';
import { requestIdOf } from './request-headers.js';
import { RequestLifecycle } from './request-lifecycle.js';
import { RouteTable } from './route-table.js';
import { SchemaPipe } from './schema.pipe.js';
import { EXPOSED_HEADERS } from './security-headers.js';

/**
 * A Nest application on Fastify with the whole request path in place: context and deadline, limits, validation, problem
 * documents, security header fields, CORS, metrics, docs. It does not listen yet, so pipes, guards and routes can still be
 * added. Nest middleware (`configure(consumer)`, `app.use`) is not there: hooks, guards and pipes are.
 * @throws whatever the module's providers throw while they are made; the process goes on
 */
export async function createHttpApplication(
  module: Type | DynamicModule,
  given: HttpOptions = {},
): Promise<NestFastifyApplication> {
  const options = resolveHttpOptions(given);
  const responder = new ProblemResponder(options);
  const lifecycle = new RequestLifecycle(options, responder);
  const routes = new RouteTable();
  const adapter = createAdapter(options, responder, lifecycle);
  const fastify = adapter.getInstance();
  adapter.setOnRequestHook(lifecycle.onRequest);
  fastify.addHook('onRoute', (route) => routes.add(route.method, route.url));
  readJsonBodies(adapter, options);

  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    bodyParser: false,
    abortOnError: false,
    logger: options.nestLogger ?? ['warn', 'error', 'fatal'],
  } satisfies NestApplicationOptions);
  app.useGlobalPipes(new SchemaPipe());
  app.useGlobalFilters(new ProblemFilter(responder, lifecycle, routes));
  if (typeof options.globalPrefix === 'string') app.setGlobalPrefix(options.globalPrefix);
  else if (options.globalPrefix !== undefined) {
    app.setGlobalPrefix(options.globalPrefix.prefix, { exclude: options.globalPrefix.exclude });
  }
  if (options.corsOrigins.length > 0) {
    app.enableCors({
      origin: [...options.corsOrigins],
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      exposedHeaders: EXPOSED_HEADERS,
      maxAge: 600,
    });
  }
  if (options.docs !== undefined) serveDocs(app, options.docs, options.errorRenderer);
  return app;
}

/**
 * Stops taking requests, lets those under way finish, and cuts what is left after `limitMs`; idle connections are closed
 * at once. Providers stay as they are: `app.close()` ends them afterwards, and does this by itself where it was not called.
 */
export async function closeHttp(app: NestFastifyApplication, limitMs = 10_000): Promise<void> {
  const adapter = app.getHttpAdapter();
  if (adapter instanceof HttpAdapter) await adapter.closeServer(limitMs);
}

/**
 * Takes no new connection from now on; what comes on those that are there is answered as before, until `closeHttp`. For one
 * of several processes that listen on the same port, which is to stop: new connections go to the others at once, and nobody
 * who looks at the port sees that one of them stops.
 */
export function leavePort(app: NestFastifyApplication): void {
  const adapter = app.getHttpAdapter();
  if (adapter instanceof HttpAdapter) adapter.leavePort();
}

/**
 * Shows every request without credentials to `find` before the router; what it has an answer for is answered at once, with
 * the header fields of every answer, and counted and reported as any request. Before it listens, and once.
 *
 * @param know whose credentials those of a request are, if that is certain at once: it is shown to `find`, too. @default nobody's
 */
export function answerEarly(app: NestFastifyApplication, find: FindEarly, know?: KnowViewer): void {
  const adapter = app.getHttpAdapter();
  if (adapter instanceof HttpAdapter) adapter.early.serve(adapter.getHttpServer(), find, know);
}

function createAdapter(
  options: ResolvedHttpOptions,
  responder: ProblemResponder,
  lifecycle: RequestLifecycle,
): HttpAdapter {
  const refuser = new ConnectionRefuser(options, responder);
  const adapter = new HttpAdapter(
    {
      // A missing host is refused by a hook, in our form.
      http: { maxHeaderSize: options.maxHeaderBytes, requireHostHeader: false },
      logger: false,
      // Costs a hook per request, and serves only Nest middleware.
      skipMiddie: true,
      trustProxy: options.trustProxy,
      bodyLimit: options.bodyLimitBytes,
      keepAliveTimeout: options.keepAliveMs,
      // A header or body that trickles in: the deadline answers it, this cuts what the deadline cannot see.
      requestTimeout: Math.max(2 * options.deadlineMs, 10_000),
      genReqId: (raw: { headers: IncomingHttpHeaders }) => requestIdOf(raw.headers),
      return503OnClosing: false,
      routerOptions: { maxParamLength: options.maxParamLength },
      clientErrorHandler: refuser.onClientError,
      // The router refuses these before any hook.
      frameworkErrors: (error: Error, request: unknown, reply: unknown) => {
        const [refused, answer] = [request as HttpRequest, reply as HttpReply];
        const { context } = lifecycle.begin(refused, answer);
        runInContext(context, () => responder.respond(error, refused, answer));
      },
    },
    options.closeLimitMs,
    new EarlyAnswers(options, lifecycle),
  );
  refuser.watch(adapter.getInstance().server);
  return adapter;
}

function readJsonBodies(adapter: HttpAdapter, options: ResolvedHttpOptions): void {
  const fastify = adapter.getInstance();
  const limits = { maxDepth: options.maxJsonDepth, maxArrayLength: options.maxArrayLength };
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (_request, bytes, done) => {
    let body: unknown;
    try {
      body = parseJsonBody(bytes, limits);
    } catch (error) {
      done(error as Error);
      return;
    }
    done(null, body);
  });
}

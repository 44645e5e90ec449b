import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Labels } from '@rookery/kernel';
import type { RequestDone, ResolvedHttpOptions } from './http.options.js';
import { requestIdOf, traceIdOf } from './request-headers.js';
import { labelsOf, type RequestLifecycle } from './request-lifecycle.js';
import { EXPOSED_HEADERS, SECURITY_HEADERS } from './security-headers.js';

/** An answer that is there before anybody has to think about it. */
export interface EarlyAnswer {
  readonly status: number;
  /** Template of the route that would have answered, for metrics and logs. */
  readonly route: string;
  /** Header fields besides those of every answer; names in lower case. Replace those of the same name. */
  readonly headers: Readonly<Record<string, string>>;
  /** None with 304. */
  readonly body: Buffer | undefined;
}

/**
 * Looks at a GET as it came, at once and without a promise; `undefined` sends it the usual way. Must not throw. Whoever gives
 * the same object again spares its header fields being put together again; it must not change.
 *
 * @param viewer who calls, where that is known; `undefined` for a request without credentials
 */
export type FindEarly = (
  url: string,
  headers: IncomingHttpHeaders,
  viewer?: string,
) => EarlyAnswer | undefined;

/** Who calls with this `Authorization`, if that is certain at once; `undefined` sends the request the usual way. */
export type KnowViewer = (authorization: string) => string | undefined;

/** What is the same each time an answer is given. */
interface Prepared {
  /** As `writeHead` takes them; the second is the request's id. */
  readonly fields: string[];
  readonly labels: Labels;
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Answers before the router what is ready: the same header fields, counted and reported as any request, at a third of its
 * cost. Only for requests without a body whose caller is nobody, or known at once: nothing else depends on them but their
 * URL. What comes from another origin goes the usual way, too.
 */
export class EarlyAnswers {
  private readonly common: readonly (readonly [name: string, value: string])[];
  private readonly prepared = new WeakMap<EarlyAnswer, Prepared>();
  /** Asking a socket costs more than remembering what it said. */
  private readonly peers = new WeakMap<Socket, string>();

  constructor(
    private readonly options: ResolvedHttpOptions,
    private readonly lifecycle: RequestLifecycle,
  ) {
    const cors = { vary: 'Origin', 'access-control-expose-headers': EXPOSED_HEADERS.join(', ') };
    this.common = Object.entries({ ...SECURITY_HEADERS, ...(options.corsOrigins.length > 0 ? cors : {}) });
  }

  /** From now on every request of the server is shown to `find` first; with credentials, if `know` knows whose they are. */
  serve(server: Server, find: FindEarly, know: KnowViewer = () => undefined): void {
    const listeners = server.listeners('request') as Listener[];
    server.removeAllListeners('request');
    server.on('request', (request, response) => {
      if (mayBeEarly(request)) {
        const { headers } = request;
        const { authorization } = headers;
        const viewer = authorization === undefined ? undefined : know(authorization);
        if (authorization === undefined || viewer !== undefined) {
          const answer = find(request.url!, headers, viewer);
          if (answer) return this.send(request, response, answer, viewer);
        }
      }
      for (const listener of listeners) listener.call(server, request, response);
    });
  }

  private send(
    request: IncomingMessage,
    response: ServerResponse,
    answer: EarlyAnswer,
    viewerId: string | undefined,
  ): void {
    const since = performance.now();
    const { headers } = request;
    const requestId = requestIdOf(headers);
    const { status, body, route } = answer;
    const { fields, labels } = this.prepared.get(answer) ?? this.prepare(answer);
    // `writeHead` has made text of them when it returns.
    fields[1] = requestId;
    response.writeHead(status, fields);
    response.end(body);
    const done: RequestDone = {
      requestId,
      traceId: traceIdOf(headers),
      viewerId,
      method: 'GET',
      route,
      path: pathOf(request.url!),
      status,
      durationMs: performance.now() - since,
      address: this.addressOf(request),
      code: undefined,
    };
    this.lifecycle.report(done, labels);
  }

  private prepare(answer: EarlyAnswer): Prepared {
    const { route, status } = answer;
    // Frozen, so that a meter may know them again.
    const labels = Object.freeze(labelsOf({ method: 'GET', route, status }));
    const prepared = { fields: this.fieldsOf(answer), labels };
    this.prepared.set(answer, prepared);
    return prepared;
  }

  private fieldsOf({ headers, body }: EarlyAnswer): string[] {
    const fields: string[] = ['x-request-id', ''];
    for (const [name, value] of this.common) {
      // What an answer varies with adds up; everything else it says itself.
      if (name === 'vary' || headers[name] === undefined) fields.push(name, value);
    }
    for (const [name, value] of Object.entries(headers)) fields.push(name, value);
    if (body) fields.push('content-length', String(body.length));
    return fields;
  }

  private addressOf(request: IncomingMessage): string {
    const peer = this.peers.get(request.socket) ?? this.peerOf(request.socket);
    // Lists of proxies are Fastify's business: what names them goes the usual way.
    if (this.options.trustProxy !== true) return peer;
    const forwarded = request.headers['x-forwarded-for'];
    return typeof forwarded === 'string' ? (forwarded.split(',', 1)[0] ?? peer).trim() : peer;
  }

  private peerOf(socket: Socket): string {
    const peer = socket.remoteAddress ?? '';
    this.peers.set(socket, peer);
    return peer;
  }
}

function mayBeEarly({ method, headers, url, httpVersion }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    url !== undefined &&
    headers.cookie === undefined &&
    headers.origin === undefined &&
    headers.range === undefined &&
    headers['content-length'] === undefined &&
    headers['transfer-encoding'] === undefined &&
    (headers.host !== undefined || httpVersion === '1.0')
  );
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

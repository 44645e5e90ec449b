import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Counter } from '@rookery/kernel';
import { httpErrors, type HttpErrorName } from './http.errors.js';
import type { ResolvedHttpOptions } from './http.options.js';
import { headersOf, type ProblemResponder } from './problem-responder.js';
import { problemOf } from './problem-of.js';
import { SECURITY_HEADERS } from './security-headers.js';

/** How long a connection that is being refused may take to read why. */
const LINGER_MS = 1000;

const BY_CODE: Readonly<Record<string, HttpErrorName>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
};

type AnsweringSocket = Socket & {
  readonly _httpMessage?: ServerResponse | null;
  readonly parser?: { readonly incoming?: IncomingMessage | null } | null;
};

/**
 * Answers what never becomes a request of Fastify's: bytes that are not HTTP, a header too large or too slow, CONNECT, an
 * unknown expectation. They get the same form and header fields as any other failure, and the connection is closed.
 */
export class ConnectionRefuser {
  private readonly refused: Counter;

  constructor(
    { meter }: ResolvedHttpOptions,
    private readonly responder: ProblemResponder,
  ) {
    this.refused = meter.counter({
      name: 'http_server_refused_connections_total',
      help: 'Connections closed because what they sent cannot be served',
      labels: ['code'],
    });
  }

  readonly onClientError = (error: Error & { code?: string }, socket: Socket): void => {
    const { _httpMessage: message, parser } = socket as AnsweringSocket;
    const answering = message?.headersSent === true && !message.writableFinished;
    const isOfBody = parser?.incoming?.complete === false;
    const answered = isOfBody && (!message || message.headersSent);
    if (error.code === 'ECONNRESET' || !socket.writable || answering) socket.destroy();
    // Whoever reads two answers to one request takes the second for that to the next.
    else if (answered) this.close(socket);
    else this.refuse(BY_CODE[error.code ?? ''] ?? 'MALFORMED_REQUEST', socket, error);
  };

  /** Takes over what Node would answer by itself, without our header fields, or not at all. */
  watch(server: Server): void {
    server.on('connect', (_request, socket: Socket) => this.refuse('METHOD_NOT_ALLOWED', socket));
    server.on('checkExpectation', (request) => this.refuse('EXPECTATION_FAILED', request.socket));
  }

  private refuse(name: HttpErrorName, socket: Socket, cause?: unknown): void {
    this.refused.add(1, { code: httpErrors.codes[name] });
    const requestId = randomUUID();
    const problem = problemOf(httpErrors.create(name, { cause }));
    const rendered = this.responder.render(problem, requestId);
    const headers: Record<string, string> = {
      ...SECURITY_HEADERS,
      ...headersOf(problem, rendered),
      'x-request-id': requestId,
      'content-type': rendered.contentType,
      'content-length': String(rendered.body.length),
      connection: 'close',
    };
    const lines = Object.entries(headers).map(([field, value]) => `${field}: ${value}\r\n`);
    const head = `HTTP/1.1 ${rendered.status} ${STATUS_CODES[rendered.status] ?? 'Error'}\r\n${lines.join('')}\r\n`;
    this.close(socket, Buffer.concat([Buffer.from(head, 'latin1'), rendered.body]));
  }

  private close(socket: Socket, last?: Buffer): void {
    socket.on('error', () => socket.destroy());
    if (last === undefined) socket.end();
    else socket.end(last);
    // Read on what still comes: closing with bytes unread resets the connection, and the answer with it.
    socket.resume();
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  }
}

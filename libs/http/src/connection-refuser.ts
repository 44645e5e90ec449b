import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type Server, type ServerResponse } from 'node:http';
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

type AnsweringSocket = Socket & { readonly _httpMessage?: ServerResponse | null };

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
    const message = (socket as AnsweringSocket)._httpMessage;
    const answering = message?.headersSent === true && !message.writableFinished;
    if (error.code === 'ECONNRESET' || !socket.writable || answering) socket.destroy();
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
    socket.on('error', () => socket.destroy());
    socket.end(Buffer.concat([Buffer.from(head, 'latin1'), rendered.body]));
    // Read on what still comes: closing with bytes unread resets the connection, and the answer with it.
    socket.resume();
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  }
}

import { Agent, request, type IncomingHttpHeaders } from 'node:http';

/** Nothing that is asked here may take longer: the deadlines of sites are shorter. */
const LIMIT_MS = 20_000;

export interface Outgoing {
  readonly method: string;
  /** As it goes over the wire: already encoded, or wrongly encoded on purpose. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | undefined;
}

export interface Incoming {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly elapsedMs: number;
}

/** A client's connections to one site. HTTP without a library in between, so that a test sends exactly what it says. */
export class Wire {
  private readonly agent: Agent;

  /** @param connections at most that many at a time; 1 shows whether a connection survives what was sent on it */
  constructor(
    private readonly origin: URL,
    connections = Infinity,
  ) {
    this.agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  send({ method, path, headers = {}, body }: Outgoing): Promise<Incoming> {
    const started = performance.now();
    return new Promise((resolve, reject) => {
      const failed = (why: Error) =>
        reject(new Error(`${method} ${shorten(path)}: ${why.message}`, { cause: why }));
      const { hostname, port } = this.origin;
      const outgoing = request({ agent: this.agent, hostname, port, method, path, timeout: LIMIT_MS });
      for (const [name, value] of Object.entries(headers)) outgoing.setHeader(name, value);
      if (body !== undefined && headers['transfer-encoding'] === undefined) {
        outgoing.setHeader('content-length', Buffer.byteLength(body));
      }
      outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${LIMIT_MS} ms`)));
      outgoing.on('error', failed);
      outgoing.on('response', (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', failed);
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            text: Buffer.concat(chunks).toString('utf8'),
            elapsedMs: performance.now() - started,
          }),
        );
      });
      outgoing.end(body);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

/** For messages: a hostile request can have megabytes. */
export function shorten(value: string, length = 300): string {
  return value.length <= length ? value : `${value.slice(0, length)}… (${value.length} characters)`;
}

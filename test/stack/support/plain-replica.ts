import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Instance } from '@rookery/discovery';

/** One request as a replica got it. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/**
 * A bare node:http server that stands for a replica. What a path asks of it: `/break` cuts the connection when the request
 * has come, `/busy` says 503, `/late` never answers; anything else gets its name after a few milliseconds.
 */
export class PlainReplica {
  readonly seen: Seen[] = [];
  /** What it does with requests for these paths; the others do as they should. */
  misbehaves = true;
  /** What `/health/ready` says. */
  ready = true;
  private server: Server | undefined;

  private constructor(readonly name: string) {}

  static async start(name: string, port = 0): Promise<PlainReplica> {
    const replica = new PlainReplica(name);
    await replica.listen(port);
    return replica;
  }

  get address(): string {
    const { port } = this.server!.address() as AddressInfo;
    return `127.0.0.1:${port}`;
  }

  get instance(): Instance {
    return { service: 'conduit', id: this.name, address: this.address, state: 'up' };
  }

  countOf(method: string, url: string): number {
    return this.seen.filter((one) => one.method === method && one.url === url).length;
  }

  async listen(port = 0): Promise<void> {
    this.server = createServer((request, response) => void this.answer(request, response));
    // Longer than the proxies keep idle connections to it, as a site's server must.
    this.server.keepAliveTimeout = 75_000;
    this.server.listen(port, '127.0.0.1');
    await once(this.server, 'listening');
  }

  /** In order: what is under way is answered. */
  async close(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    const idle = setInterval(() => server.closeIdleConnections(), 10);
    await closed;
    clearInterval(idle);
  }

  /** As when its process is killed. */
  async die(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    server?.closeAllConnections();
    server?.close();
    if (server) await once(server, 'close');
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    if (url === '/health/ready') return void response.writeHead(this.ready ? 200 : 503).end();
    let body = '';
    try {
      for await (const chunk of request) body += String(chunk);
    } catch {
      return; // The proxy has given up.
    }
    this.seen.push({ method, url, headers, body });
    if (this.misbehaves) {
      if (url === '/break') return void request.socket.destroy();
      if (url === '/late') return;
      if (url === '/busy') return void response.writeHead(503).end('busy');
    }
    if (url === '/large') return void response.setHeader('content-type', 'application/json').end(LARGE);
    setTimeout(() => response.end(this.name), 2);
  }
}

const LARGE = JSON.stringify(Array.from({ length: 2_000 }, (_, at) => `article ${at}`));

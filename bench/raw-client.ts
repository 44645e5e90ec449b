import { connect, type Socket } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');

/** What a request fails by whose connection was closed before an answer. */
export const CLOSED = 'the server closed the connection';

/** A GET as bytes for `RawClient.ask`. */
export function getRequest(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Buffer {
  const fields = Object.entries({ host: `127.0.0.1:${port}`, ...headers });
  return Buffer.from(
    `GET ${path} HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
  );
}

/** One keep-alive connection to this machine, with one request at a time. As little as a client can do. */
export class RawClient {
  private pending: Buffer = Buffer.alloc(0);
  private waiting: { resolve: (body: Buffer) => void; reject: (error: Error) => void } | undefined;

  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk) => this.read(chunk));
    socket.on('error', (error) => this.waiting?.reject(error));
    socket.on('close', () => this.waiting?.reject(new Error(CLOSED)));
  }

  static to(port: number): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new RawClient(socket)));
    });
  }

  /** The body of the answer. @throws if it is not 200 or has no content-length */
  ask(request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.socket.write(request);
    });
  }

  end(): void {
    this.waiting = undefined;
    this.socket.end();
  }

  private read(chunk: Buffer): void {
    this.pending = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
    const head = this.pending.indexOf(HEAD_END);
    if (head < 0) return;
    const text = this.pending.toString('latin1', 0, head);
    const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
    if (!text.startsWith('HTTP/1.1 200') || length === undefined) {
      this.waiting?.reject(new Error(`an answer was not 200 with a length: ${text.slice(0, 200)}`));
      return;
    }
    const end = head + HEAD_END.length + Number(length);
    if (this.pending.length < end) return;
    const body = this.pending.subarray(head + HEAD_END.length, end);
    this.pending = Buffer.alloc(0);
    this.waiting?.resolve(body);
  }
}

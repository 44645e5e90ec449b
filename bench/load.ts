import { connect, type Socket } from 'node:net';

export interface LoadOptions {
  readonly port: number;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * Sends one GET after the other on each of some keep-alive connections to this machine. As little as a client can do, so
 * that the processor goes to the servers: it finds the end of each answer by content-length and looks at its status.
 * @throws if an answer is not 200 or has no content-length
 */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const lines = Object.entries({ host: `127.0.0.1:${options.port}`, ...options.headers });
  const request = Buffer.from(
    `GET ${options.path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
  );
  const since = performance.now();
  const until = since + options.seconds * 1000;
  const counts = await Promise.all(
    Array.from({ length: options.connections }, () => oneConnection(options.port, request, until)),
  );
  return { requests: counts.reduce((sum, n) => sum + n, 0), seconds: (performance.now() - since) / 1000 };
}

function oneConnection(port: number, request: Buffer, until: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let answered = 0;
    let pending: Buffer = Buffer.alloc(0);
    socket.on('connect', () => socket.write(request));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the server closed the connection')));
    socket.on('data', (chunk) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      const head = pending.indexOf(HEAD_END);
      if (head < 0) return;
      const text = pending.toString('latin1', 0, head);
      const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
      if (!text.startsWith('HTTP/1.1 200') || length === undefined) {
        socket.destroy();
        reject(new Error(`an answer was not 200 with a length: ${text.slice(0, 200)}`));
        return;
      }
      if (pending.length < head + 4 + Number(length)) return;
      pending = Buffer.alloc(0);
      answered += 1;
      if (performance.now() < until) socket.write(request);
      else {
        socket.removeAllListeners('close');
        socket.end();
        resolve(answered);
      }
    });
  });
}

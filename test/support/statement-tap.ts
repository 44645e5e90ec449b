import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A statement as PostgreSQL got it: one execution, or one simple query. */
export interface Overheard {
  /** Position of the shard in the list of URLs. */
  readonly shard: number;
  readonly text: string;
}

const SSL_REQUEST = 80_877_103;

/**
 * Stands between a site and its databases and notes every statement, whatever client sends it and however it is pipelined:
 * what is counted is what the server is asked to run.
 * The messages are those of https://www.postgresql.org/docs/current/protocol-message-formats.html.
 */
export class StatementTap {
  private readonly servers: Server[] = [];
  private readonly sockets = new Set<Socket>();
  private heard: Overheard[] = [];

  /** URLs that lead to the same databases by way of this tap. */
  async through(urls: readonly string[]): Promise<string[]> {
    return Promise.all(urls.map((url, shard) => this.open(new URL(url), shard)));
  }

  /** Forgets what was heard so far, and what is heard while `work` runs. */
  async during(work: () => Promise<unknown>): Promise<Overheard[]> {
    this.heard = [];
    await work();
    return this.heard;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await Promise.all(
      this.servers.map((server) => new Promise((resolve) => server.close(() => resolve(undefined)))),
    );
  }

  private open(url: URL, shard: number): Promise<string> {
    const server = createServer((client) => {
      const database = connect(Number(url.port), url.hostname);
      const listen = listener((text) => this.heard.push({ shard, text }));
      for (const [one, other] of [
        [client, database],
        [database, client],
      ] as const) {
        this.sockets.add(one);
        one.on('close', () => {
          this.sockets.delete(one);
          other.destroy();
        });
        one.on('error', () => other.destroy());
      }
      client.on('data', listen);
      client.pipe(database);
      database.pipe(client);
    });
    this.servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => {
        const through = new URL(url);
        through.hostname = '127.0.0.1';
        through.port = String((server.address() as AddressInfo).port);
        resolve(through.href);
      });
    });
  }
}

/** Reads the client's half of one connection. */
function listener(heard: (text: string) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  let started = false;
  const prepared = new Map<string, string>();
  const portals = new Map<string, string>();
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const head = started ? 1 : 0;
      if (rest.length < head + 4) return;
      const length = head + rest.readInt32BE(head);
      if (rest.length < length) return;
      const message = rest.subarray(0, length);
      rest = rest.subarray(length);
      if (!started) {
        started = message.readInt32BE(4) !== SSL_REQUEST;
        continue;
      }
      const [first = '', second = ''] = message.toString('utf8', 5).split('\0');
      switch (String.fromCharCode(message[0]!)) {
        case 'Q':
          heard(first);
          break;
        case 'P':
          prepared.set(first, second);
          break;
        case 'B':
          portals.set(first, prepared.get(second) ?? `unknown statement ${second}`);
          break;
        case 'E':
          heard(portals.get(first) ?? `unknown portal ${first}`);
          break;
        default:
      }
    }
  };
}

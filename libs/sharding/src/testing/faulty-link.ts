import { once } from 'node:events';
import net from 'node:net';

interface Pair {
  readonly client: net.Socket;
  readonly server: net.Socket;
  /** What the client called itself when it connected. */
  applicationName: string | undefined;
  forgotten: boolean;
}

/** Told what a client sends, and what the client called itself when it connected. */
export type FlightInspector = (data: Buffer, applicationName: string | undefined) => 'pass' | 'swallow';
/** Told to whom the server sends something. */
export type AnswerInspector = (applicationName: string | undefined) => 'pass' | 'swallow';

/**
 * A TCP link to a database that counts, freezes and cuts on demand: for what happens between a replica and its shard.
 */
export class FaultyLink {
  private readonly pairs = new Set<Pair>();
  private frozen = false;
  private refusing = false;
  private answeredSince = true;
  private flightCount = 0;
  private onFlight: FlightInspector | undefined;
  private onAnswer: AnswerInspector | undefined;

  private constructor(
    private readonly listener: net.Server,
    /** The database's address, through this link. */
    readonly url: string,
  ) {}

  /** A link in front of `target`, a `postgres://` URL. */
  static async to(target: string): Promise<FaultyLink> {
    const { hostname, port } = new URL(target);
    const listener = net.createServer({ noDelay: true });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const url = new URL(target);
    url.hostname = '127.0.0.1';
    url.port = String((listener.address() as net.AddressInfo).port);
    const link = new FaultyLink(listener, url.href);
    listener.on('connection', (client) =>
      link.join(client, net.connect({ host: hostname, port: Number(port), noDelay: true })),
    );
    return link;
  }

  /** Times that a client sent something after the server had answered: round trips, if one client is at work. */
  get flights(): number {
    return this.flightCount;
  }

  resetFlights(): void {
    this.flightCount = 0;
  }

  /** Connections open now. */
  get connections(): number {
    return this.pairs.size;
  }

  /** Nothing passes any more, and nobody is told. */
  freeze(): void {
    this.frozen = true;
    for (const { client, server } of this.pairs) {
      client.pause();
      server.pause();
    }
  }

  thaw(): void {
    this.frozen = false;
    for (const { client, server } of this.pairs) {
      client.resume();
      server.resume();
    }
  }

  /**
   * Cuts connections, as when the server's machine loses power and comes back.
   * @param which those of clients with this `application_name`; all by default
   */
  cut(which?: string): void {
    for (const { client, server, applicationName } of this.pairs) {
      if (which !== undefined && applicationName !== which) continue;
      client.resetAndDestroy();
      server.destroy();
    }
  }

  /** Connections that are open now are gone, but their clients only learn it when they next send something. */
  forget(): void {
    for (const pair of this.pairs) pair.forgotten = true;
  }

  /** Cuts, and resets every new connection until `accept`. */
  refuse(): void {
    this.refusing = true;
    this.cut();
  }

  accept(): void {
    this.refusing = false;
  }

  /** Looks at each packet of a client on its way. */
  inspect(onFlight: FlightInspector | undefined): void {
    this.onFlight = onFlight;
  }

  /** Looks at each packet of the server on its way. */
  inspectAnswers(onAnswer: AnswerInspector | undefined): void {
    this.onAnswer = onAnswer;
  }

  async close(): Promise<void> {
    this.listener.close();
    for (const { client, server } of this.pairs) {
      client.destroy();
      server.destroy();
    }
    await once(this.listener, 'close');
  }

  private join(client: net.Socket, server: net.Socket): void {
    const pair: Pair = { client, server, applicationName: undefined, forgotten: false };
    this.pairs.add(pair);
    const end = (): void => {
      this.pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.on('error', end);
      socket.on('close', end);
    }
    if (this.refusing) {
      client.resetAndDestroy();
      return;
    }
    client.once('data', (startup: Buffer) => {
      pair.applicationName = /application_name\0([^\0]*)\0/.exec(startup.toString('latin1'))?.[1];
    });
    client.on('data', (data: Buffer) => {
      if (pair.forgotten) {
        client.resetAndDestroy();
        return;
      }
      if (this.answeredSince) {
        this.answeredSince = false;
        this.flightCount += 1;
      }
      if (this.onFlight?.(data, pair.applicationName) !== 'swallow') server.write(data);
    });
    server.on('data', (data: Buffer) => {
      this.answeredSince = true;
      if (this.onAnswer?.(pair.applicationName) !== 'swallow') client.write(data);
    });
    if (this.frozen) {
      client.pause();
      server.pause();
    }
  }
}

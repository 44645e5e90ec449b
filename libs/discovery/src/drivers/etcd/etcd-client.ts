import { credentials, status, type CallOptions, type Client, type ServiceError } from '@grpc/grpc-js';
import { noopMeter, type Meter } from '@rookery/kernel';
import { discoveryErrors } from '../../discovery.errors.js';
import {
  clientsOf,
  KV_CALLS,
  type Calls,
  type EtcdClients,
  type KeepAliveStream,
  type LeaseResponse,
  type WatchStream,
} from './etcd-api.js';

export interface EtcdTls {
  /** PEM. @default what the system trusts */
  readonly ca?: Buffer;
  /** PEM of the client, for etcd with `--client-cert-auth`. */
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

export interface EtcdClientOptions {
  readonly endpoints: readonly string[];
  readonly tls?: EtcdTls;
  readonly callTimeoutMs: number;
  readonly meter?: Meter;
}

type Unary = (
  request: unknown,
  options: CallOptions,
  done: (error: ServiceError | null, response: unknown) => void,
) => { cancel(): void };

const CHANNEL = {
  // A member that comes back is found within a second, however long it was away.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
};
/** After these, another member may know better. */
const GO_ON = new Set<number>([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  status.INTERNAL,
]);

/** Calls of etcd's v3 API, each with a deadline, on one connection to one member; after a failure to the next member. */
export class EtcdClient {
  private at = 0;
  private clients: EtcdClients | undefined;
  private closed = false;
  private readonly calls;

  constructor(private readonly options: EtcdClientOptions) {
    this.calls = (options.meter ?? noopMeter).counter({
      name: 'rookery_discovery_calls_total',
      help: 'Calls to the registry by outcome',
      labels: ['call', 'outcome'],
    });
  }

  /** The member asked now. */
  get endpoint(): string {
    return this.options.endpoints[this.at]!;
  }

  /** @throws RK_DISCOVERY_AWAY, RK_DISCOVERY_CLOSED */
  async call<Name extends keyof Calls>(
    name: Name,
    request: Calls[Name][0],
    signal?: AbortSignal,
  ): Promise<Calls[Name][1]> {
    const clients = this.connected();
    const client = KV_CALLS.includes(name) ? clients.kv : clients.lease;
    return this.counted(name, clients, signal, (deadline, done) =>
      (client as Client & Record<string, Unary>)[name]!(request, { deadline }, (error, response) =>
        done(error, response as Calls[Name][1]),
      ),
    );
  }

  /** Seconds that the lease has from now; 0 if there is none. @throws as `call` */
  async keepAlive(id: string, signal?: AbortSignal): Promise<number> {
    const clients = this.connected();
    const answer = await this.counted<LeaseResponse>('LeaseKeepAlive', clients, signal, (deadline, done) => {
      const { lease } = clients as unknown as { lease: Record<string, (o: CallOptions) => KeepAliveStream> };
      const stream = lease['LeaseKeepAlive']!({ deadline });
      stream.once('data', (response: LeaseResponse) => {
        done(null, response);
        stream.end();
      });
      stream.on('error', (error: ServiceError) => done(error));
      stream.on('end', () => done(new Error('etcd ended the stream') as ServiceError));
      stream.write({ ID: id });
      return stream;
    });
    return Number(answer.TTL);
  }

  /** Without a deadline: whoever opens it looks after it. @throws RK_DISCOVERY_CLOSED */
  openWatch(): WatchStream {
    const { watch } = this.connected() as unknown as { watch: Record<string, () => WatchStream> };
    return watch['Watch']!();
  }

  close(): void {
    this.closed = true;
    this.clients?.kv.close();
    this.clients = undefined;
  }

  private connected(): EtcdClients {
    if (this.closed) throw discoveryErrors.create('CLOSED');
    const { tls } = this.options;
    const secured = tls
      ? credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null)
      : credentials.createInsecure();
    this.clients ??= clientsOf(this.endpoint, secured, CHANNEL);
    return this.clients;
  }

  private async counted<T>(
    call: string,
    clients: EtcdClients,
    signal: AbortSignal | undefined,
    send: (deadline: number, done: (error: ServiceError | null, response?: T) => void) => { cancel(): void },
  ): Promise<T> {
    let abort: (() => void) | undefined;
    try {
      const answer = await new Promise<T>((resolve, reject) => {
        const sent = send(Date.now() + this.options.callTimeoutMs, (error, response) =>
          error === null ? resolve(response!) : reject(error),
        );
        abort = () => sent.cancel();
        if (signal?.aborted) abort();
        signal?.addEventListener('abort', abort, { once: true });
      });
      this.calls.add(1, { call, outcome: 'ok' });
      return answer;
    } catch (cause) {
      this.calls.add(1, { call, outcome: 'error' });
      if (GO_ON.has((cause as ServiceError).code) && !signal?.aborted) this.goOn(clients);
      const reason = (cause as Error).message;
      throw discoveryErrors.create('AWAY', { data: { driver: 'etcd', call, reason }, cause });
    } finally {
      if (abort !== undefined) signal?.removeEventListener('abort', abort);
    }
  }

  /** A new connection, since the old one may be to a host that has vanished without a word. */
  private goOn(failed: EtcdClients): void {
    // Whoever failed first has gone on already.
    if (this.clients !== failed) return;
    failed.kv.close();
    this.clients = undefined;
    this.at = (this.at + 1) % this.options.endpoints.length;
  }
}

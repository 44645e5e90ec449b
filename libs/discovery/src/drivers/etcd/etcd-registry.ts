import { noopMeter, type HealthProbe } from '@rookery/kernel';
import { checkInstance, isAddress } from '../../check-instance.js';
import { discoveryErrors } from '../../discovery.errors.js';
import type { Instance, Registration, Registry, RegistryOptions, Snapshot, Watch } from '../../registry.js';
import { ServiceWatches } from '../../service-watches.js';
import { EtcdClient, type EtcdTls } from './etcd-client.js';
import { EtcdSource } from './etcd-source.js';
import { instanceIn, rangeOf } from './keys.js';
import { LeaseRegistration } from './lease-registration.js';

export interface EtcdRegistryOptions extends RegistryOptions {
  /** `host:port` of the members; `http://` and `https://` before it are understood. */
  readonly endpoints: readonly string[];
  /** Keys lie under it: one for each site that shares the etcd. @default '/rookery' */
  readonly prefix?: string;
  /** Life of a replica's lease: so long is a dead one still told. 2 at least. @default 10 */
  readonly ttlSeconds?: number;
  /** Milliseconds from one list to the next, beside the watch. @default 3000 */
  readonly listIntervalMs?: number;
  /** @default in the clear, unless an endpoint says `https://` */
  readonly tls?: EtcdTls;
}

const PREFIX = /^(\/[A-Za-z0-9._-]+)+$/;

/** etcd v3: a replica's key under a lease; lists and watches of a service's keys. */
export class EtcdRegistry implements Registry {
  readonly driver = 'etcd';
  readonly capabilities = { registers: true, pushes: true, leases: true };
  readonly health: HealthProbe = { name: 'discovery', critical: false, check: async () => this.report() };
  private readonly client: EtcdClient;
  private readonly watches: ServiceWatches;
  private readonly registrations = new Set<LeaseRegistration>();
  private readonly prefix: string;
  private readonly ttlSeconds: number;
  private readonly callTimeoutMs: number;

  /** Connects at the first call. @throws RK_DISCOVERY_BAD_OPTIONS */
  constructor(private readonly options: EtcdRegistryOptions) {
    const { prefix = '/rookery', ttlSeconds = 10, callTimeoutMs = 2_000, listIntervalMs = 3_000 } = options;
    if (!PREFIX.test(prefix)) throw badOptions(`the prefix '${prefix}' is no path`);
    if (!Number.isInteger(ttlSeconds) || ttlSeconds < 2) throw badOptions(`ttlSeconds is ${ttlSeconds}`);
    this.prefix = prefix;
    this.ttlSeconds = ttlSeconds;
    this.callTimeoutMs = callTimeoutMs;
    const { meter = noopMeter } = options;
    this.client = new EtcdClient({ ...membersOf(options), callTimeoutMs, meter });
    this.watches = new ServiceWatches({
      ...options,
      driver: this.driver,
      open: (service, view) =>
        new EtcdSource({
          client: this.client,
          prefix,
          service,
          view,
          meter,
          intervalMs: listIntervalMs,
          onError: this.onError,
        }),
    });
  }

  async register(instance: Instance): Promise<Registration> {
    this.watches.checkOpen();
    const registration = new LeaseRegistration(checkInstance(instance), {
      client: this.client,
      prefix: this.prefix,
      ttlSeconds: this.ttlSeconds,
      callTimeoutMs: this.callTimeoutMs,
      onError: this.onError,
      whenEnded: (ended) => this.registrations.delete(ended),
      meter: this.options.meter ?? noopMeter,
    });
    this.registrations.add(registration);
    await registration.start();
    return registration;
  }

  watch(service: string, listener: (snapshot: Snapshot) => void): Watch {
    return this.watches.watch(service, listener);
  }

  async instances(service: string): Promise<readonly Instance[]> {
    this.watches.checkOpen();
    const { kvs } = await this.client.call('Range', rangeOf(this.prefix, service));
    return kvs.flatMap((kv) => instanceIn(this.prefix, service, kv) ?? []);
  }

  async close(): Promise<void> {
    await Promise.all([
      this.watches.close(),
      ...[...this.registrations].map((registration) => registration.deregister()),
    ]);
    this.client.close();
  }

  private readonly onError = (error: unknown): void => this.options.onError?.(error);

  private report() {
    const registered = [...this.registrations].map(({ instance, registered }) => [instance.id, registered]);
    const report = this.watches.report({
      member: this.client.endpoint,
      registered: Object.fromEntries(registered),
    });
    return registered.every(([, has]) => has) ? report : { ...report, status: 'degraded' as const };
  }
}

function membersOf({ endpoints, tls }: EtcdRegistryOptions): { endpoints: string[]; tls?: EtcdTls } {
  const hosts = endpoints.map((endpoint) => endpoint.replace(/^https?:\/\//, '').replace(/\/$/, ''));
  if (hosts.length === 0) throw badOptions('no endpoints');
  const wrong = hosts.find((host) => !isAddress(host));
  if (wrong !== undefined) throw badOptions(`the endpoint '${wrong}' is no host:port`);
  const secured = tls ?? (endpoints.some((endpoint) => endpoint.startsWith('https:')) ? {} : undefined);
  return { endpoints: hosts, ...(secured && { tls: secured }) };
}

function badOptions(reason: string): Error {
  return discoveryErrors.create('BAD_OPTIONS', { data: { reason } });
}

import { BackgroundLoop, noopMeter, type HealthProbe } from '@rookery/kernel';
import { isAddress } from '../../check-instance.js';
import { discoveryErrors } from '../../discovery.errors.js';
import type { Instance, Registration, Registry, RegistryOptions, Snapshot, Watch } from '../../registry.js';
import { ServiceWatches, type Source } from '../../service-watches.js';
import type { ServiceView } from '../../service-view.js';
import { DnsLookUp, type DnsName } from './look-up.js';

export interface DnsRegistryOptions extends RegistryOptions {
  /** Where each service is found. */
  readonly services: Readonly<Record<string, DnsName>>;
  /** `address` or `address:port` of name servers. @default the system's */
  readonly servers?: readonly string[];
  /** Milliseconds from one look to the next, 100 at least. @default 5000 */
  readonly intervalMs?: number;
}

/** What DNS says, asked again and again, since a record's end of life is no news. Nobody registers. */
export class DnsRegistry implements Registry {
  readonly driver = 'dns';
  readonly capabilities = { registers: false, pushes: false, leases: false };
  readonly health: HealthProbe = {
    name: 'discovery',
    critical: false,
    check: () => Promise.resolve(this.watches.report()),
  };
  private readonly watches: ServiceWatches;
  private readonly lookUp: DnsLookUp;
  private readonly intervalMs: number;

  /** @throws RK_DISCOVERY_BAD_OPTIONS */
  constructor(private readonly options: DnsRegistryOptions) {
    const { services, servers, intervalMs = 5_000, callTimeoutMs = 2_000 } = options;
    this.intervalMs = Math.max(100, intervalMs);
    this.lookUp = new DnsLookUp(servers, callTimeoutMs);
    for (const [service, name] of Object.entries(services))
      if ('a' in name && !isAddress(`${name.a}:${name.port}`))
        throw discoveryErrors.create('BAD_OPTIONS', { data: { reason: `${service} has no proper name` } });
    this.watches = new ServiceWatches({
      ...options,
      driver: this.driver,
      open: (service, view) => this.open(service, view),
    });
  }

  register(): Promise<Registration> {
    return Promise.reject(discoveryErrors.create('READ_ONLY', { data: { driver: this.driver } }));
  }

  watch(service: string, listener: (snapshot: Snapshot) => void): Watch {
    return this.watches.watch(service, listener);
  }

  async instances(service: string): Promise<readonly Instance[]> {
    this.watches.checkOpen();
    return this.ask(service);
  }

  close(): Promise<void> {
    return this.watches.close();
  }

  private open(service: string, view: ServiceView): Source {
    const { onError, meter = noopMeter } = this.options;
    const loop = new BackgroundLoop({
      name: 'discovery-dns',
      intervalMs: this.intervalMs,
      maxBackoffMs: this.intervalMs * 4,
      meter,
      onError: (error) => {
        view.lost();
        onError?.(error);
      },
      run: async (signal) => {
        const found = await this.ask(service);
        if (!signal.aborted) view.update(found);
      },
    });
    loop.start();
    return loop;
  }

  /** A service without a name in DNS has nobody. */
  private async ask(service: string): Promise<readonly Instance[]> {
    const name = this.options.services[service];
    if (name === undefined) return [];
    try {
      return await this.lookUp.find(service, name);
    } catch (cause) {
      const reason = (cause as Error).message;
      throw discoveryErrors.create('AWAY', { data: { driver: 'dns', call: 'look-up', reason }, cause });
    }
  }
}

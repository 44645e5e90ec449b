import type { HealthProbe } from '@rookery/kernel';
import { checkInstance } from '../../check-instance.js';
import { discoveryErrors } from '../../discovery.errors.js';
import type { Instance, Registration, Registry, RegistryOptions, Snapshot, Watch } from '../../registry.js';
import { ServiceWatches } from '../../service-watches.js';
import type { ServiceView } from '../../service-view.js';

/** A list that somebody has written down, and may replace. Nobody registers. */
export class StaticRegistry implements Registry {
  readonly driver = 'static';
  readonly capabilities = { registers: false, pushes: true, leases: false };
  readonly health: HealthProbe = {
    name: 'discovery',
    critical: false,
    check: () => Promise.resolve(this.watches.report()),
  };
  private readonly watches: ServiceWatches;
  private readonly views = new Map<string, ServiceView>();
  private all: readonly Instance[];

  /** @throws RK_DISCOVERY_BAD_INSTANCE, RK_DISCOVERY_BAD_OPTIONS */
  constructor(instances: readonly Instance[], options: RegistryOptions = {}) {
    this.all = checked(instances);
    this.watches = new ServiceWatches({
      ...options,
      driver: this.driver,
      open: (service, view) => this.open(service, view),
    });
  }

  /** Another list from now on. @throws RK_DISCOVERY_BAD_INSTANCE, RK_DISCOVERY_BAD_OPTIONS: then it is the old one */
  replace(instances: readonly Instance[]): void {
    this.all = checked(instances);
    for (const [service, view] of this.views) view.update(this.of(service));
  }

  register(): Promise<Registration> {
    return Promise.reject(discoveryErrors.create('READ_ONLY', { data: { driver: this.driver } }));
  }

  watch(service: string, listener: (snapshot: Snapshot) => void): Watch {
    return this.watches.watch(service, listener);
  }

  async instances(service: string): Promise<readonly Instance[]> {
    this.watches.checkOpen();
    return this.of(service);
  }

  close(): Promise<void> {
    return this.watches.close();
  }

  private open(service: string, view: ServiceView): { stop: () => Promise<void> } {
    this.views.set(service, view);
    queueMicrotask(() => {
      if (this.views.get(service) === view) view.update(this.of(service));
    });
    return {
      stop: async () => {
        this.views.delete(service);
      },
    };
  }

  private of(service: string): readonly Instance[] {
    return this.all.filter((instance) => instance.service === service);
  }
}

function checked(instances: readonly Instance[]): readonly Instance[] {
  const names = instances.map((instance) => `${checkInstance(instance).service}/${instance.id}`);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined)
    throw discoveryErrors.create('BAD_OPTIONS', { data: { reason: `${twice} is listed twice` } });
  return [...instances].sort((one, other) => (one.id < other.id ? -1 : 1));
}

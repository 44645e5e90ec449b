import type { HealthProbe, Meter } from '@rookery/kernel';
import { EtcdRegistry, type Registration } from '@rookery/discovery';
import type { RookeryLogger } from '@rookery/observability';
import { networkInterfaces } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import type { Config } from './config/index.js';

/** Where a replica takes what; as it listens, not as it was asked to. */
export interface Addresses {
  /** `http://127.0.0.1:3000` */
  readonly url: string;
  readonly opsUrl: string | undefined;
  /** `127.0.0.1:50051` */
  readonly grpcAddress: string | undefined;
}

export interface SiteRegistrationOptions {
  readonly config: Config;
  readonly service: string;
  readonly version: string;
  readonly logger: RookeryLogger;
  readonly meter: Meter;
}

/** Longest that a stop waits for the registry to have heard of it. The drain delay comes after that all the same. */
const TELL_LIMIT_MS = 1_000;
const ANY_HOST = new Set(['0.0.0.0', '::', '[::]']);

/**
 * This replica in the registry, for as long as it takes traffic. Nothing waits for a registry that is away: the replica
 * starts, serves and stops all the same, and its health is degraded meanwhile.
 */
export class SiteRegistration {
  readonly health: HealthProbe;
  private readonly registry: EtcdRegistry;
  private registering: Promise<Registration> | undefined;

  /** `undefined` where the configuration names no registry. @throws RK_DISCOVERY_BAD_OPTIONS */
  static of(options: SiteRegistrationOptions): SiteRegistration | undefined {
    const { etcdEndpoints } = options.config;
    return etcdEndpoints && new SiteRegistration(options, etcdEndpoints);
  }

  private constructor(
    private readonly options: SiteRegistrationOptions,
    endpoints: readonly string[],
  ) {
    const { meter } = options;
    this.registry = new EtcdRegistry({ endpoints, meter, onError: (error) => this.warn(error) });
    this.health = this.registry.health;
  }

  /** Once it takes traffic. Returns at once. */
  announce({ url, opsUrl, grpcAddress }: Addresses): void {
    const { config, service, version, logger } = this.options;
    const address = this.reachable(url);
    this.registering = this.registry.register({
      service,
      id: config.replicaId,
      address,
      ...(opsUrl === undefined ? {} : { opsAddress: this.reachable(opsUrl) }),
      version,
      ...(grpcAddress === undefined ? {} : { metadata: { grpc: this.reachable(`http://${grpcAddress}`) } }),
      state: 'up',
    });
    this.registering.then(
      ({ registered }) =>
        logger.log(
          registered ? `registered at ${address}` : `etcd is away: ${address} is registered once it is back`,
          'Discovery',
        ),
      (error: unknown) => this.warn(error),
    );
  }

  /** First of all when it stops: it is to be given nothing new. Resolves when the registry has it, or after a second. */
  async drain(): Promise<void> {
    const over = new AbortController();
    const limit = pause(TELL_LIMIT_MS, undefined, { signal: over.signal }).catch(() => undefined);
    await Promise.race([this.tellDraining(), limit]);
    over.abort();
  }

  /** When all that was under way is answered. */
  close(): Promise<void> {
    return this.registry.close();
  }

  private async tellDraining(): Promise<void> {
    try {
      const registration = await this.registering;
      const told = registration?.changeState('draining');
      // One that it does not have, as while it is away, nobody sends anything to because of it.
      if (registration?.registered) await told;
      else told?.catch((error: unknown) => this.warn(error));
    } catch (error) {
      this.warn(error);
    }
  }

  private warn(error: unknown): void {
    this.options.logger.warn('the registry', error, 'Discovery');
  }

  /** `host:port` as others reach it: who listens on every address is found at one. */
  private reachable(url: string): string {
    const { host, advertiseHost } = this.options.config;
    const { hostname, port } = new URL(url);
    if (advertiseHost !== undefined) return `${advertiseHost}:${port}`;
    const all = ANY_HOST.has(host) || ANY_HOST.has(hostname);
    return `${all ? ownAddress() : hostname}:${port}`;
  }
}

/** The first address of this machine that others see; loopback where it has none. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1';
}

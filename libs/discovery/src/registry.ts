import type { HealthProbe, Meter } from '@rookery/kernel';

/** `draining`: it still answers what it has, and must be given nothing new. */
export type InstanceState = 'up' | 'draining';

/** One replica of a service, as others find it. */
export interface Instance {
  /** Lower-case letters, digits, `-` and `_`, up to 64. */
  readonly service: string;
  /** Unique within the service; letters, digits, `.`, `-`, `_` and `:`, up to 128. */
  readonly id: string;
  /** `host:port` where it takes traffic. A host of IPv6 stands in brackets. */
  readonly address: string;
  /** `host:port` of metrics and operations. */
  readonly opsAddress?: string;
  readonly version?: string;
  /** Up to 32 short texts of its own. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly state: InstanceState;
}

/** Who is there, as far as is known. */
export interface Snapshot {
  readonly service: string;
  /** By id, each once. */
  readonly instances: readonly Instance[];
  /**
   * The registry cannot be asked just now, or all replicas have gone from it at once: these are the last ones known.
   */
  readonly stale: boolean;
}

export interface Registration {
  /** What was asked for last. */
  readonly instance: Instance;
  /** Whether the registry had it, as it is, when it was last asked. */
  readonly registered: boolean;
  /** Resolves when the registry has it; may be made anew at once. @throws when the registration has ended */
  changeState(state: InstanceState): Promise<void>;
  /** Ends the registration; never rejects: where the registry cannot be reached, the lease runs out by itself. */
  deregister(): Promise<void>;
}

export interface Watch {
  /** What was told last; `undefined` before the first time. */
  readonly snapshot: Snapshot | undefined;
  stop(): void;
}

export interface RegistryCapabilities {
  /** `register` works; otherwise it throws RK_DISCOVERY_READ_ONLY. */
  readonly registers: boolean;
  /** Changes are told at once, and not at the next look. */
  readonly pushes: boolean;
  /** A dead replica vanishes by itself. */
  readonly leases: boolean;
}

/**
 * Port: who is there.
 *
 * Promises of every driver:
 * - `watch` tells the present instances as soon as they are known, and then each change; the last state always arrives,
 *   states between may be left out. The listener is never called from within `watch`, nor after `stop`.
 * - The registry being away is no change: the last known instances stay, `stale`, for as long as it takes.
 * - All replicas that are up do not go at once: when the registry has none of them any more (it was emptied, its leases ran
 *   out while it was away), they stay, `stale`, for a grace time, each until it is registered again.
 * - Every call ends within its time limit.
 * - `close` ends all watches and registrations, and leaves nothing behind.
 */
export interface Registry {
  /** `static`, `dns`, `etcd`: for errors and metrics. */
  readonly driver: string;
  readonly capabilities: RegistryCapabilities;
  /** Degrades; never critical: what is known is gone on with. */
  readonly health: HealthProbe;
  /**
   * Registers a replica and keeps it registered, until `deregister`. An id that is registered already is taken over.
   * Resolves after the first try; where the registry is away, it is tried again until it succeeds.
   * @throws RK_DISCOVERY_READ_ONLY, RK_DISCOVERY_BAD_INSTANCE, RK_DISCOVERY_CLOSED
   */
  register(instance: Instance): Promise<Registration>;
  /** @throws RK_DISCOVERY_CLOSED */
  watch(service: string, listener: (snapshot: Snapshot) => void): Watch;
  /** Asks once. @throws RK_DISCOVERY_AWAY, RK_DISCOVERY_CLOSED */
  instances(service: string): Promise<readonly Instance[]>;
  close(): Promise<void>;
}

/** Of all drivers. */
export interface RegistryOptions {
  /** How long replicas that all went at once are still told, in milliseconds. @default 30000 */
  readonly graceMs?: number;
  /** Milliseconds that one question may take. @default 2000 */
  readonly callTimeoutMs?: number;
  /** Told of what went wrong in the background; the registry goes on. @default nobody is */
  readonly onError?: (error: unknown) => void;
  /** @default nothing is measured */
  readonly meter?: Meter;
}

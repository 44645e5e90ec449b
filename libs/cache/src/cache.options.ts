import { noopMeter, type Meter } from '@rookery/kernel';
import type { BulkheadOptions } from './bulkhead.js';
import { cacheErrors } from './cache.errors.js';

export interface CacheOptions {
  /** `redis://…`; a list is addresses of one Redis Cluster. @default memory: right for one process */
  readonly redisUrl?: string | readonly string[];
  /** Name of the site's entries in a Redis that others use as well. Letters, digits, `-` and `_`. @default 'rookery' */
  readonly namespace?: string;
  /** Another version sees none of the entries of this one: change it with what entries look like. @default '1' */
  readonly version?: string;
  /** Name of this process among the replicas, for logs and operators. @default 'replica' */
  readonly replicaId?: string;
  /** Bytes that entries in this process's memory may take. @default 67108864 (64 MiB) */
  readonly maxBytes?: number;
  /** Longest that Redis is waited for, in milliseconds. @default 50 */
  readonly deadlineMs?: number;
  /**
   * Longest that an invalidation waits for the other replicas, in milliseconds. One that is silent for four fifths of it
   * serves nothing from the cache any more. @default 500
   */
  readonly acknowledgeWithinMs?: number;
  /** Longest that a load may take, in milliseconds. @default 10000 */
  readonly loadTimeoutMs?: number;
  /** Longest that a replica waits for the load of another one, in milliseconds, before it loads itself. @default 1000 */
  readonly waitForOthersMs?: number;
  /** @default the defaults of `BulkheadOptions` */
  readonly bulkhead?: BulkheadOptions;
  /** @default a meter that records nothing */
  readonly meter?: Meter;
  /** Told of what went wrong in the background. @default nothing */
  readonly onWarning?: (message: string, error?: unknown) => void;
}

export type CacheSettings = Required<Omit<CacheOptions, 'redisUrl'>> & Pick<CacheOptions, 'redisUrl'>;

/** @throws RK_CACHE_BAD_OPTIONS */
export function settled(options: CacheOptions): CacheSettings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const settings: CacheSettings = {
    namespace: 'rookery',
    version: '1',
    replicaId: 'replica',
    maxBytes: 64 * 1024 * 1024,
    deadlineMs: 50,
    acknowledgeWithinMs: 500,
    loadTimeoutMs: 10_000,
    waitForOthersMs: 1_000,
    bulkhead: {},
    meter: noopMeter,
    onWarning: () => undefined,
    ...(given as CacheOptions),
  };
  const reason = faultOf(settings);
  if (reason !== undefined) throw cacheErrors.create('BAD_OPTIONS', { data: { reason } });
  return settings;
}

function faultOf(settings: CacheSettings): string | undefined {
  for (const name of ['maxBytes', 'deadlineMs', 'acknowledgeWithinMs', 'loadTimeoutMs'] as const) {
    if (!(settings[name] > 0)) return `${name} is ${settings[name]}`;
  }
  for (const name of ['namespace', 'version'] as const) {
    if (!/^[\w-]{1,64}$/.test(settings[name])) return `${name} is '${settings[name]}'`;
  }
  if (settings.acknowledgeWithinMs < 2 * settings.deadlineMs) {
    return 'acknowledgeWithinMs is under twice the deadline';
  }
  return undefined;
}

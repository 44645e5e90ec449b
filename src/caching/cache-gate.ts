import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { Cache } from '@rookery/cache';
import { SoleReplica } from '@rookery/events';
import type { Meter } from '@rookery/kernel';
import { Shards } from '@rookery/sharding';

/** How answers may be cached: not at all, by all replicas together, or by one that is alone. */
export type Caching = 'off' | 'shared' | 'alone';

export abstract class CacheGateOptions {
  abstract readonly caching: Caching;
  abstract readonly replicaId: string;
  abstract readonly meter: Meter;
  abstract readonly onWarning: (message: string, error?: unknown) => void;
}

/**
 * Whether this replica may cache at present. Replicas without a shared cache would not hear of each other's writes: so
 * without one, only a replica that is alone caches.
 */
@Injectable()
export class CacheGate implements BeforeApplicationShutdown {
  private readonly sole: SoleReplica | undefined;
  private readonly caching: Caching;
  private started = false;

  constructor(shards: Shards, cache: Cache, { caching, ...options }: CacheGateOptions) {
    this.caching = caching;
    this.sole =
      caching === 'shared'
        ? undefined
        : new SoleReplica(shards, { name: 'cache', onSole: () => void cache.invalidateAll(), ...options });
  }

  /** Before the replica takes requests: from then on none of the others caches what this one changes. */
  async start(): Promise<void> {
    await this.sole?.start();
    this.started = true;
  }

  get isOpen(): boolean {
    return this.caching !== 'off' && (this.sole?.isSole ?? true);
  }

  /** The others may be alone once this replica takes no requests. */
  async beforeApplicationShutdown(): Promise<void> {
    if (this.started) await this.sole?.stop();
  }
}

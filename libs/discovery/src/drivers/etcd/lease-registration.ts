import { BackgroundLoop, Deadline, noopMeter, type Counter, type Meter } from '@rookery/kernel';
import { discoveryErrors } from '../../discovery.errors.js';
import type { Instance, InstanceState, Registration } from '../../registry.js';
import type { EtcdClient } from './etcd-client.js';
import { keyOf, valueOf } from './keys.js';

export interface LeaseRegistrationOptions {
  readonly client: EtcdClient;
  readonly prefix: string;
  readonly ttlSeconds: number;
  readonly callTimeoutMs: number;
  readonly onError: (error: unknown) => void;
  readonly whenEnded: (registration: LeaseRegistration) => void;
  readonly meter?: Meter;
}

interface Waiter {
  readonly version: number;
  readonly resolve: () => void;
}

/**
 * One replica's key under a lease that is kept alive every second, or three times in its life where that is more often. What is lost, the lease in an etcd that was
 * frozen, the key in one that was emptied, is made anew with the next turn; after a failure turns come at growing distances.
 */
export class LeaseRegistration implements Registration {
  instance: Instance;
  private readonly loop: BackgroundLoop;
  private readonly counter: Counter;
  private lease: string | undefined;
  /** All that this replica ever had: a key under another one is another process's, which has taken over. */
  private readonly leases = new Set<string>();
  private version = 1;
  private written = 0;
  private has = false;
  private ended: Promise<void> | undefined;
  private waiters: Waiter[] = [];
  private firstTurnOver!: () => void;
  private readonly firstTurn = new Promise<void>((resolve) => (this.firstTurnOver = resolve));

  constructor(
    instance: Instance,
    private readonly options: LeaseRegistrationOptions,
  ) {
    this.instance = instance;
    const { ttlSeconds, meter = noopMeter, onError } = options;
    this.counter = meter.counter({
      name: 'rookery_discovery_registrations_total',
      help: 'Registrations of this replica: made, lost, taken over by another process',
      labels: ['outcome'],
    });
    // From zero on, or the first one that is lost is no increase of anything.
    for (const outcome of ['made', 'lost', 'taken over']) this.counter.add(0, { outcome });
    const intervalMs = (ttlSeconds * 1_000) / 3;
    this.loop = new BackgroundLoop({
      name: 'discovery-lease',
      intervalMs: Math.min(intervalMs, 1_000),
      maxBackoffMs: Math.max(1_000, intervalMs),
      meter,
      onError: (error) => {
        this.has = false;
        onError(error);
      },
      run: (signal) => this.turn(signal).finally(this.firstTurnOver),
    });
  }

  get registered(): boolean {
    return this.has;
  }

  /** Resolves after the first try. */
  async start(): Promise<void> {
    this.loop.start();
    await this.firstTurn;
  }

  async changeState(state: InstanceState): Promise<void> {
    if (this.ended !== undefined) throw discoveryErrors.create('CLOSED');
    this.instance = { ...this.instance, state };
    this.version += 1;
    const { version } = this;
    const done = new Promise<void>((resolve) => this.waiters.push({ version, resolve }));
    this.loop.wake();
    try {
      await Deadline.after(2 * this.options.callTimeoutMs).race(done, 'changing the state of a registration');
    } catch (cause) {
      const reason = (cause as Error).message;
      throw discoveryErrors.create('AWAY', { data: { driver: 'etcd', call: 'Put', reason }, cause });
    }
  }

  deregister(): Promise<void> {
    this.ended ??= this.end();
    return this.ended;
  }

  private async end(): Promise<void> {
    await this.loop.stop();
    this.has = false;
    this.options.whenEnded(this);
    const { lease } = this;
    if (lease === undefined) return;
    try {
      await this.options.client.call('LeaseRevoke', { ID: lease });
    } catch (error) {
      // It runs out by itself.
      this.options.onError(error);
    }
  }

  private async turn(signal: AbortSignal): Promise<void> {
    await this.keepLease(signal);
    const { client, prefix } = this.options;
    const key = keyOf(prefix, this.instance);
    const { kvs } = await client.call('Range', { key }, signal);
    const holder = kvs[0]?.lease;
    const takenOver = this.written > 0 && holder !== undefined && !this.leases.has(holder);
    if (takenOver && this.has) this.counter.add(1, { outcome: 'taken over' });
    if (!takenOver && (holder !== this.lease || this.written < this.version)) await this.write(key, signal);
    this.has = !takenOver;
    if (takenOver) this.written = this.version;
    this.tellWaiters();
  }

  private async write(key: Buffer, signal: AbortSignal): Promise<void> {
    const { version, instance } = this;
    await this.options.client.call('Put', { key, value: valueOf(instance), lease: this.lease! }, signal);
    this.written = version;
    this.counter.add(1, { outcome: 'made' });
  }

  private async keepLease(signal: AbortSignal): Promise<void> {
    const { client, ttlSeconds, onError } = this.options;
    if (this.lease !== undefined) {
      if ((await client.keepAlive(this.lease, signal)) > 0) return;
      const { service, id } = this.instance;
      this.counter.add(1, { outcome: 'lost' });
      onError(discoveryErrors.create('LEASE_LOST', { data: { service, id } }));
      this.lease = undefined;
    }
    const { ID } = await client.call('LeaseGrant', { TTL: ttlSeconds }, signal);
    this.lease = ID;
    this.leases.add(ID);
    // Those long gone hold no key any more.
    for (const old of this.leases) if (this.leases.size > 8) this.leases.delete(old);
  }

  private tellWaiters(): void {
    for (const { resolve } of this.waiters.filter(({ version }) => version <= this.written)) resolve();
    this.waiters = this.waiters.filter(({ version }) => version > this.written);
  }
}

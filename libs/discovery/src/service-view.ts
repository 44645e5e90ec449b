import type { Clock } from '@rookery/kernel';
import type { Instance, Snapshot } from './registry.js';

export interface ServiceViewOptions {
  readonly service: string;
  readonly graceMs: number;
  readonly clock: Clock;
  /** Told of each change, the first state included. */
  readonly onChange: (snapshot: Snapshot) => void;
}

interface Held {
  readonly instance: Instance;
  until: number;
}

/**
 * What is known of one service. It makes no difference between a registry that is away and one that says what it always
 * said, but for `stale`; and it does not believe at once that all have gone: replicas that are up and vanish together, or
 * soon after the registry was away, are held for the grace time, each until it is seen again.
 */
export class ServiceView {
  private listed: readonly Instance[] | undefined;
  private readonly held = new Map<string, Held>();
  private away = false;
  /** Until then (monotonic) nobody vanishes: the registry was away, and leases ran out that nobody could keep. */
  private shieldedUntil = -Infinity;
  private timer: NodeJS.Timeout | undefined;
  private told: Snapshot | undefined;
  private toldAs = '';

  constructor(private readonly options: ServiceViewOptions) {}

  get snapshot(): Snapshot | undefined {
    return this.told;
  }

  /** What the registry says now. `doubtful`: it has forgotten what it said before. */
  update(instances: readonly Instance[], doubtful = false): void {
    const now = this.options.clock.monotonic();
    if (this.away || doubtful) this.shield(now);
    this.away = false;
    const present = new Set(instances.flatMap(({ id, address }) => [id, address]));
    this.forget(({ instance }) => present.has(instance.id) || present.has(instance.address));
    if (now < this.shieldedUntil || !instances.some(isUp)) this.hold(present, now);
    this.listed = instances;
    this.expire();
  }

  /** The registry cannot be asked. */
  lost(): void {
    this.away = true;
    this.tell();
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private shield(now: number): void {
    if (this.listed === undefined) return;
    this.shieldedUntil = now + this.options.graceMs;
    for (const held of this.held.values()) held.until = this.shieldedUntil;
  }

  private hold(present: ReadonlySet<string>, now: number): void {
    for (const instance of this.listed ?? [])
      if (isUp(instance) && !present.has(instance.id) && !present.has(instance.address))
        this.held.set(instance.id, { instance, until: now + this.options.graceMs });
  }

  private forget(which: (held: Held) => boolean): void {
    for (const [id, held] of this.held) if (which(held)) this.held.delete(id);
  }

  /** While the registry is away, nobody's time runs out. */
  private expire(): void {
    clearTimeout(this.timer);
    const now = this.options.clock.monotonic();
    if (!this.away) this.forget(({ until }) => until <= now);
    this.tell();
    if (this.held.size === 0) return;
    const next = Math.min(...[...this.held.values()].map(({ until }) => until));
    this.timer = setTimeout(() => this.expire(), Math.max(10, next - now));
    this.timer.unref();
  }

  private tell(): void {
    const { service, onChange } = this.options;
    // Away from the start: nothing is known, and so nothing is told.
    if (this.listed === undefined) return;
    const instances = [...this.listed, ...[...this.held.values()].map(({ instance }) => instance)];
    instances.sort((one, other) => (one.id < other.id ? -1 : 1));
    const snapshot = { service, instances, stale: this.away || this.held.size > 0 };
    const as = JSON.stringify(snapshot);
    if (as === this.toldAs) return;
    this.told = snapshot;
    this.toldAs = as;
    onChange(snapshot);
  }
}

export function isUp({ state }: Instance): boolean {
  return state === 'up';
}

import { noopMeter, systemClock, type HealthReport } from '@rookery/kernel';
import { isServiceName } from './check-instance.js';
import { discoveryErrors } from './discovery.errors.js';
import type { RegistryOptions, Snapshot, Watch } from './registry.js';
import { isUp, ServiceView } from './service-view.js';

/** Where a driver gets what it tells of one service, from the first watch of it to the last. */
export interface Source {
  stop(): Promise<void>;
}

interface Watched {
  readonly view: ServiceView;
  readonly listeners: Set<(snapshot: Snapshot) => void>;
  readonly source: Source;
}

export interface ServiceWatchesOptions extends RegistryOptions {
  readonly driver: string;
  /** Must not call the view before it has returned. */
  readonly open: (service: string, view: ServiceView) => Source;
}

const GRACE_MS = 30_000;

/** The watches of a registry: one source and one view for each service, however many listen. */
export class ServiceWatches {
  private readonly watched = new Map<string, Watched>();
  private readonly closing = new Set<Promise<void>>();
  private readonly endGauge: () => void;
  private closed = false;

  constructor(private readonly options: ServiceWatchesOptions) {
    const { graceMs = GRACE_MS, meter = noopMeter } = options;
    if (!(graceMs >= 0))
      throw discoveryErrors.create('BAD_OPTIONS', { data: { reason: `graceMs is ${graceMs}` } });
    this.endGauge = meter.gauge(
      {
        name: 'rookery_discovery_instances',
        help: 'Replicas known of each watched service: up, draining, and whether what is known is stale',
        labels: ['service', 'state'],
      },
      () => this.measured(),
    );
  }

  watch(service: string, listener: (snapshot: Snapshot) => void): Watch {
    this.checkOpen();
    if (!isServiceName(service))
      throw discoveryErrors.create('BAD_OPTIONS', { data: { reason: 'a service without a proper name' } });
    const watched = this.watched.get(service) ?? this.open(service);
    const tell = (snapshot: Snapshot): void => {
      if (watched.listeners.has(tell)) listener(snapshot);
    };
    watched.listeners.add(tell);
    const { snapshot } = watched.view;
    // What comes before it is told may tell the same; the view's latest is what counts.
    if (snapshot !== undefined) queueMicrotask(() => tell(watched.view.snapshot!));
    return {
      get snapshot() {
        return watched.view.snapshot;
      },
      stop: () => {
        if (watched.listeners.delete(tell) && watched.listeners.size === 0) this.end(service, watched);
      },
    };
  }

  checkOpen(): void {
    if (this.closed) throw discoveryErrors.create('CLOSED');
  }

  report(details: Readonly<Record<string, unknown>> = {}): HealthReport {
    const services = [...this.watched].map(([service, { view }]) => [
      service,
      view.snapshot === undefined
        ? 'nothing known yet'
        : { replicas: view.snapshot.instances.length, stale: view.snapshot.stale },
    ]);
    const fine = [...this.watched.values()].every(({ view }) => view.snapshot?.stale === false);
    return {
      status: fine ? 'up' : 'degraded',
      details: { driver: this.options.driver, services: Object.fromEntries(services), ...details },
    };
  }

  async close(): Promise<void> {
    this.closed = true;
    this.endGauge();
    for (const [service, watched] of this.watched) {
      watched.listeners.clear();
      this.end(service, watched);
    }
    await Promise.all(this.closing);
  }

  private open(service: string): Watched {
    const { graceMs = GRACE_MS } = this.options;
    const listeners: Watched['listeners'] = new Set();
    const view = new ServiceView({
      service,
      graceMs,
      clock: systemClock,
      onChange: (snapshot) => {
        for (const tell of listeners) this.guarded(() => tell(snapshot));
      },
    });
    const watched = { view, listeners, source: this.options.open(service, view) };
    this.watched.set(service, watched);
    return watched;
  }

  /** A listener that fails must not keep the others from being told. */
  private guarded(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.options.onError?.(error);
    }
  }

  private end(service: string, { view, source }: Watched): void {
    this.watched.delete(service);
    view.stop();
    const closing = source.stop().finally(() => this.closing.delete(closing));
    this.closing.add(closing);
  }

  private *measured(): Iterable<{ value: number; labels: Record<string, string> }> {
    for (const [service, { view }] of this.watched) {
      const { instances = [], stale = true } = view.snapshot ?? {};
      const up = instances.filter(isUp).length;
      yield { value: up, labels: { service, state: 'up' } };
      yield { value: instances.length - up, labels: { service, state: 'draining' } };
      yield { value: stale ? instances.length : 0, labels: { service, state: 'stale' } };
    }
  }
}

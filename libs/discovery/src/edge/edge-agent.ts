import { BackgroundLoop, noopMeter, type HealthProbe, type Meter } from '@rookery/kernel';
import { setTimeout as delay } from 'node:timers/promises';
import { discoveryErrors } from '../discovery.errors.js';
import type { Registry, Watch } from '../registry.js';
import { peersOf, samePeers, type Balancer, type Peer } from './balancer.js';

export interface EdgeAgentOptions {
  readonly registry: Registry;
  readonly service: string;
  readonly balancer: Balancer;
  /** Changes that follow one another within so many milliseconds are applied together. @default 100 */
  readonly settleMs?: number;
  /** So long may changes keep following one another before they are applied all the same. @default 1000 */
  readonly settleLimitMs?: number;
  /** From one look at the balancer to the next: it may have been restarted. @default 5000 */
  readonly resyncMs?: number;
  /** One line for people: what was applied, kept, or refused. @default nobody is told */
  readonly onEvent?: (line: string) => void;
  readonly meter?: Meter;
}

export interface EdgeStatus {
  readonly service: string;
  readonly balancer: string;
  readonly running: boolean;
  /** What the balancer has; `undefined` until that is known. */
  readonly peers: readonly Peer[] | undefined;
  /** The balancer has what the registry says. */
  readonly inStep: boolean;
  /** Since this agent was started. */
  readonly applied: number;
  /** Why it is not in step; or what it keeps to although the registry says otherwise. */
  readonly note: string | undefined;
}

/** `refused`: the balancer was asked, and does not want them; trying again changes nothing. `error`: whatever else. */
const OUTCOMES = ['ok', 'refused', 'error'] as const;
const BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * Keeps a load balancer in step with the registry.
 *
 * Promises: the balancer never has no replica that takes traffic because of it: where the registry knows of none, it keeps
 * what it has, and says so; nor where the registry cannot be asked. What the balancer refuses leaves it as it was. Changes
 * that come together are applied together. It has no state of its own: killed and started again, it goes on from what the
 * balancer has.
 */
export class EdgeAgent {
  readonly health: HealthProbe = {
    name: 'edge',
    critical: false,
    check: async () => ({ status: this.inStep ? 'up' : 'degraded', details: { ...this.status() } }),
  };
  private readonly loop: BackgroundLoop;
  private readonly reloads;
  private readonly seconds;
  private endGauge: (() => void) | undefined;
  private watch: Watch | undefined;
  private firstChangeAt: number | undefined;
  private lastChangeAt = 0;
  private peers: readonly Peer[] | undefined;
  private inStep = false;
  private applied = 0;
  private note: string | undefined;

  constructor(private readonly options: EdgeAgentOptions) {
    const { meter = noopMeter, resyncMs = 5_000 } = options;
    this.reloads = meter.counter({
      name: 'rookery_edge_applies_total',
      help: 'Times that new upstreams were given to the balancer, by outcome',
      labels: ['balancer', 'outcome'],
    });
    // From zero on, or what happens first is no increase of anything.
    for (const outcome of OUTCOMES) this.reloads.add(0, { balancer: options.balancer.name, outcome });
    this.seconds = meter.histogram({
      name: 'rookery_edge_apply_seconds',
      help: 'From the decision to give the balancer new upstreams until it works by them',
      labels: ['balancer'],
      buckets: BUCKETS,
    });
    this.loop = new BackgroundLoop({
      name: 'edge-agent',
      intervalMs: resyncMs,
      meter,
      run: (signal) => this.turn(signal),
      onError: (error) => this.failed(error),
    });
  }

  start(): void {
    const { registry, service, meter = noopMeter } = this.options;
    this.watch ??= registry.watch(service, () => {
      this.lastChangeAt = performance.now();
      this.firstChangeAt ??= this.lastChangeAt;
      this.loop.wake();
    });
    this.endGauge ??= meter.gauge(
      {
        name: 'rookery_edge_peers',
        help: 'Replicas that the balancer has, and whether it is in step with the registry',
        labels: ['balancer', 'state'],
      },
      () => this.measured(),
    );
    this.loop.start();
  }

  /** Waits for what is being applied. The balancer keeps what it has. */
  async stop(): Promise<void> {
    this.watch?.stop();
    this.watch = undefined;
    await this.loop.stop();
    this.endGauge?.();
    this.endGauge = undefined;
    this.inStep = false;
  }

  status(): EdgeStatus {
    const { service, balancer } = this.options;
    return {
      service,
      balancer: balancer.name,
      running: this.watch !== undefined,
      peers: this.peers,
      inStep: this.inStep,
      applied: this.applied,
      note: this.note,
    };
  }

  private async turn(signal: AbortSignal): Promise<void> {
    await this.settle(signal);
    const { balancer } = this.options;
    const snapshot = this.watch?.snapshot;
    this.peers = await balancer.current();
    if (snapshot === undefined) return this.keep('the registry has said nothing yet');
    const wanted = peersOf(snapshot.instances);
    if (!wanted.some(({ draining }) => !draining))
      return this.keep('the registry knows of no replica that is up');
    if (!samePeers(this.peers ?? [], wanted) || !(await balancer.inForce())) await this.apply(wanted, signal);
    this.inStep = true;
    this.note = snapshot.stale
      ? 'the registry is away, or forgot all of them: the last ones known'
      : undefined;
  }

  private async apply(wanted: readonly Peer[], signal: AbortSignal): Promise<void> {
    const { balancer, onEvent } = this.options;
    this.inStep = false;
    const started = performance.now();
    await balancer.apply(wanted, signal);
    this.seconds.observe((performance.now() - started) / 1_000, { balancer: balancer.name });
    this.reloads.add(1, { balancer: balancer.name, outcome: 'ok' });
    this.applied += 1;
    this.peers = wanted;
    const all = wanted.map(({ id, draining }) => (draining ? `${id} (draining)` : id)).join(', ');
    onEvent?.(`${balancer.name} has ${all}`);
  }

  /** Until nothing has changed for a moment, but not for ever. */
  private async settle(signal: AbortSignal): Promise<void> {
    const { settleMs = 100, settleLimitMs = 1_000 } = this.options;
    while (this.firstChangeAt !== undefined) {
      const now = performance.now();
      const at = Math.min(this.lastChangeAt + settleMs, this.firstChangeAt + settleLimitMs);
      if (at <= now) this.firstChangeAt = undefined;
      else await delay(at - now, undefined, { signal });
    }
  }

  private keep(why: string): void {
    const note = `${why}: ${this.options.balancer.name} keeps what it has`;
    if (note !== this.note) this.options.onEvent?.(note);
    this.note = note;
    this.inStep = false;
  }

  private failed(error: unknown): void {
    const { balancer, onEvent } = this.options;
    const refused = discoveryErrors.is(error, 'EDGE_REFUSED') || discoveryErrors.is(error, 'EDGE_TOO_MANY');
    this.reloads.add(1, { balancer: balancer.name, outcome: refused ? 'refused' : 'error' });
    this.inStep = false;
    const note = error instanceof Error ? error.message : String(error);
    if (note !== this.note) onEvent?.(note);
    this.note = note;
  }

  private *measured(): Iterable<{ value: number; labels: Record<string, string> }> {
    const balancer = this.options.balancer.name;
    const peers = this.peers ?? [];
    const draining = peers.filter((peer) => peer.draining).length;
    yield { value: peers.length - draining, labels: { balancer, state: 'up' } };
    yield { value: draining, labels: { balancer, state: 'draining' } };
    yield { value: this.inStep ? 1 : 0, labels: { balancer, state: 'in step' } };
  }
}

import { noopMeter, type HealthProbe, type HealthReport, type HealthStatus } from '@rookery/kernel';
import { observabilityErrors } from '../observability.errors.js';
import { Redaction } from '../logs/redaction.js';
import type { HealthMonitorOptions } from '../observability.options.js';

const redaction = new Redaction();

/** What one probe said, or what its silence means. */
export interface HealthFinding {
  readonly name: string;
  readonly critical: boolean;
  readonly status: HealthStatus;
  readonly details: Readonly<Record<string, unknown>>;
}

/** `down`: a critical probe is down. `degraded`: anything else that is not up. */
export interface HealthSnapshot {
  readonly status: HealthStatus;
  readonly findings: readonly HealthFinding[];
}

/**
 * Asks the probes, so that being asked is harmless. Promises: a check ends within `timeoutMs`, whatever the probes do; a
 * probe that throws or hangs is `down`; one check at a time, whose result serves everybody who asks meanwhile and for
 * `cacheMs` after; a probe whose last call still hangs is not called again. So any number of requests cost the databases
 * at most one check per `cacheMs`.
 */
export class HealthMonitor {
  private underWay: Promise<HealthSnapshot> | undefined;
  private last: { readonly at: number; readonly snapshot: HealthSnapshot } | undefined;
  private readonly hanging = new Map<HealthProbe, Promise<HealthReport>>();
  private readonly known = new Map<string, HealthStatus>();
  private readonly endMetric: () => void;
  private isStopping = false;

  constructor(private readonly options: HealthMonitorOptions) {
    if (typeof options.probes !== 'function') refuseDuplicates(options.probes);
    this.endMetric = (options.meter ?? noopMeter).gauge(
      {
        name: 'rookery_health_status',
        help: 'Result of the last check: 1 up, 0.5 degraded, 0 down',
        labels: ['indicator'],
      },
      () => this.measured(),
    );
  }

  /** Whether `setStopping` was called. */
  get stopping(): boolean {
    return this.isStopping;
  }

  /** From now on the replica is not ready, so that the edge sends nothing new. The first step of an ordered stop. */
  setStopping(): void {
    this.isStopping = true;
  }

  /** Called by Nest; ends the metric. */
  onApplicationShutdown(): void {
    this.endMetric();
  }

  /** Never rejects: probes that cannot even be listed are a critical finding of their own, named `health`. */
  check(): Promise<HealthSnapshot> {
    const { cacheMs = 250 } = this.options;
    if (this.last !== undefined && performance.now() - this.last.at < cacheMs) {
      return Promise.resolve(this.last.snapshot);
    }
    this.underWay ??= this.checkNow().finally(() => {
      this.underWay = undefined;
    });
    return this.underWay;
  }

  /** As it was last; and looks anew for the next time, since it may be that nobody else asks. */
  private measured() {
    void this.check();
    return (this.last?.snapshot.findings ?? []).map(({ name, status }) => ({
      value: status === 'up' ? 1 : status === 'degraded' ? 0.5 : 0,
      labels: { indicator: name },
    }));
  }

  private async checkNow(): Promise<HealthSnapshot> {
    const findings = await this.findings();
    const snapshot: HealthSnapshot = {
      status: findings.some(({ critical, status }) => critical && status === 'down')
        ? 'down'
        : findings.every(({ status }) => status === 'up')
          ? 'up'
          : 'degraded',
      findings,
    };
    this.last = { at: performance.now(), snapshot };
    for (const finding of findings) this.report(finding);
    return snapshot;
  }

  private async findings(): Promise<readonly HealthFinding[]> {
    const { probes: given } = this.options;
    try {
      const probes = typeof given === 'function' ? given() : given;
      refuseDuplicates(probes);
      return await Promise.all(probes.map((probe) => this.ask(probe)));
    } catch (error) {
      return [{ name: 'health', critical: true, status: 'down', details: { message: messageOf(error) } }];
    }
  }

  private async ask(probe: HealthProbe): Promise<HealthFinding> {
    const { timeoutMs = 1_000 } = this.options;
    const { name, critical } = probe;
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<HealthReport>((resolve) => {
      const details = { message: `no answer within ${timeoutMs} ms` };
      timer = setTimeout(() => resolve({ status: 'down', details }), timeoutMs);
    });
    const report = await Promise.race([this.call(probe, timeoutMs), silence]);
    clearTimeout(timer);
    return { name, critical, status: report.status, details: report.details ?? {} };
  }

  private call(probe: HealthProbe, timeoutMs: number): Promise<HealthReport> {
    const present = this.hanging.get(probe);
    if (present !== undefined) return present;
    const call = answerOf(probe, timeoutMs).finally(() => this.hanging.delete(probe));
    this.hanging.set(probe, call);
    return call;
  }

  private report({ name, status, critical, details }: HealthFinding): void {
    const before = this.known.get(name) ?? 'up';
    this.known.set(name, status);
    if (before === status) return;
    const { logger } = this.options;
    const line = `${name} is ${status} (was ${before})`;
    if (status === 'up') logger?.log(line, 'Health');
    else if (status === 'down' && critical) logger?.error(line, { critical, details }, 'Health');
    else logger?.warn(line, { critical, details }, 'Health');
  }
}

/** The probe's answer, made whole: a port's promise not to throw is not relied on here, of all places. */
async function answerOf(probe: HealthProbe, timeoutMs: number): Promise<HealthReport> {
  try {
    const report = await probe.check(timeoutMs);
    return report.status === 'up' || report.status === 'degraded' || report.status === 'down'
      ? report
      : { status: 'down', details: { message: 'the probe gave no status' } };
  } catch (error) {
    return { status: 'down', details: { message: messageOf(error) } };
  }
}

/** Drivers put connection strings into their messages. */
function messageOf(error: unknown): string {
  return redaction.text(error instanceof Error ? error.message : String(error), 512);
}

function refuseDuplicates(probes: readonly HealthProbe[]): void {
  const names = new Set<string>();
  for (const { name } of probes) {
    if (names.has(name)) throw observabilityErrors.create('DUPLICATE_PROBE', { data: { probe: name } });
    names.add(name);
  }
}

import { Inject, Injectable, ServiceUnavailableException } from '@nestjs/common';
import {
  HealthCheckService,
  HealthIndicatorService,
  type HealthCheckResult,
  type HealthIndicatorResult,
} from '@nestjs/terminus';
import { HealthMonitor, type HealthFinding, type HealthSnapshot } from './health-monitor.js';

/** One check, as the monitor found it and as terminus puts it. */
export interface TerminusHealthResult {
  readonly snapshot: HealthSnapshot;
  readonly result: HealthCheckResult;
}

/** The monitor's findings as indicators of terminus, one per probe. */
@Injectable()
export class TerminusHealth {
  constructor(
    @Inject(HealthCheckService) private readonly checks: HealthCheckService,
    @Inject(HealthIndicatorService) private readonly indicators: HealthIndicatorService,
    @Inject(HealthMonitor) private readonly monitor: HealthMonitor,
  ) {}

  async check(): Promise<TerminusHealthResult> {
    const snapshot = await this.monitor.check();
    const indicators = snapshot.findings.map((finding) => () => this.indicator(finding));
    try {
      return { snapshot, result: await this.checks.check(indicators) };
    } catch (error) {
      // How terminus says that an indicator is down. Whether that takes the replica out is ours to say: it depends on
      // whether the probe is critical, which terminus does not know.
      if (!(error instanceof ServiceUnavailableException)) throw error;
      return { snapshot, result: error.getResponse() as HealthCheckResult };
    }
  }

  private indicator({ name, status, critical, details }: HealthFinding): HealthIndicatorResult {
    const { status: told, ...rest } = details;
    const data = { ...rest, ...(told === undefined ? {} : { state: told }), critical };
    const session = this.indicators.check(name);
    switch (status) {
      case 'up':
        return session.up(data);
      case 'degraded':
        return session.degraded(data);
      case 'down':
        return session.down(data);
    }
  }
}

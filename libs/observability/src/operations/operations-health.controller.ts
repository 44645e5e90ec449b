import { Controller, Get, Header, HttpStatus, Inject, Res } from '@nestjs/common';
import type { HealthCheckResult } from '@nestjs/terminus';
import type { StatusReply } from '../health/health.controller.js';
import { HealthMonitor } from '../health/health-monitor.js';
import { TerminusHealth } from '../health/terminus-health.js';

/** `status` as the public port would have it; the indicators in terminus' form, with details. */
export type OperationsHealth = Omit<HealthCheckResult, 'status'> & {
  readonly status: 'ok' | 'degraded' | 'down' | 'stopping';
};

@Controller('health')
export class OperationsHealthController {
  constructor(
    @Inject(TerminusHealth) private readonly health: TerminusHealth,
    @Inject(HealthMonitor) private readonly monitor: HealthMonitor,
  ) {}

  @Get()
  @Header('cache-control', 'no-store')
  async all(@Res({ passthrough: true }) reply: StatusReply): Promise<OperationsHealth> {
    const { snapshot, result } = await this.health.check();
    const { info, error, details } = result;
    const status = this.monitor.stopping ? 'stopping' : snapshot.status === 'up' ? 'ok' : snapshot.status;
    if (status === 'down' || status === 'stopping') reply.status(HttpStatus.SERVICE_UNAVAILABLE);
    return { status, info, error, details };
  }
}

import { Controller, Get, Header, HttpStatus, Inject, Res } from '@nestjs/common';
import { HealthMonitor } from './health-monitor.js';
import { TerminusHealth } from './terminus-health.js';

export const HEALTH_STARTED = Symbol('HEALTH_STARTED');

/** The part of Fastify's reply that is used here. */
export interface StatusReply {
  status(code: number): unknown;
}

export type PublicStatus = 'ok' | 'degraded' | 'down';

/** What the public port tells: names and states, no details. */
export interface Readiness {
  readonly status: PublicStatus | 'stopping';
  readonly indicators: Readonly<Record<string, PublicStatus>>;
}

@Controller('health')
export class HealthController {
  constructor(
    @Inject(TerminusHealth) private readonly health: TerminusHealth,
    @Inject(HealthMonitor) private readonly monitor: HealthMonitor,
    @Inject(HEALTH_STARTED) private readonly started: () => boolean,
  ) {}

  /** Answering is the proof: the loop turns. Asks no dependency, whose outage a restart would not end. */
  @Get('live')
  @Header('cache-control', 'no-store')
  live(): { readonly status: 'ok' } {
    return { status: 'ok' };
  }

  /** 503 while the replica must not get traffic: it is stopping, or something without which nothing works is down. */
  @Get('ready')
  @Header('cache-control', 'no-store')
  async ready(@Res({ passthrough: true }) reply: StatusReply): Promise<Readiness> {
    const { snapshot, result } = await this.health.check();
    const indicators = Object.fromEntries(
      Object.entries(result.details).map(([name, { status }]) => [name, publicStatus(status)]),
    );
    const status = this.monitor.stopping ? 'stopping' : publicStatus(snapshot.status);
    if (status === 'stopping' || status === 'down') reply.status(HttpStatus.SERVICE_UNAVAILABLE);
    return { status, indicators };
  }

  /** 503 until the replica has finished starting. */
  @Get('started')
  @Header('cache-control', 'no-store')
  startup(@Res({ passthrough: true }) reply: StatusReply): { readonly status: 'ok' | 'starting' } {
    if (this.started()) return { status: 'ok' };
    reply.status(HttpStatus.SERVICE_UNAVAILABLE);
    return { status: 'starting' };
  }
}

function publicStatus(status: 'up' | 'degraded' | 'down'): PublicStatus {
  return status === 'up' ? 'ok' : status;
}

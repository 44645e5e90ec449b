import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { Registry } from 'prom-client';

export const METRICS_REGISTRY = Symbol('METRICS_REGISTRY');

export interface HeaderReply {
  header(name: string, value: string): unknown;
}

/** What PrometheusModule serves at its path: the meter's registry, which need not be prom-client's global one. */
@Controller()
export class MetricsController {
  constructor(@Inject(METRICS_REGISTRY) private readonly registry: Registry) {}

  @Get()
  metrics(@Res({ passthrough: true }) reply: HeaderReply): Promise<string> {
    reply.header('content-type', this.registry.contentType);
    return this.registry.metrics();
  }
}

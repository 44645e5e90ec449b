import { Global, Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { TerminusModule } from '@nestjs/terminus';
import { HEALTH_STARTED, HealthController } from '../health/health.controller.js';
import { HealthMonitor } from '../health/health-monitor.js';
import { TerminusHealth } from '../health/terminus-health.js';
import type { OperationsOptions } from '../observability.options.js';
import { METRICS_REGISTRY, MetricsController } from './metrics.controller.js';
import { OperationsHealthController } from './operations-health.controller.js';

/** Gives the registry to the controller, which PrometheusModule declares in a module of its own. */
@Global()
@Module({})
class RegistryModule {
  static of(registry: OperationsOptions['meter']['registry']): DynamicModule {
    const provider = { provide: METRICS_REGISTRY, useValue: registry };
    return { module: RegistryModule, providers: [provider], exports: [provider] };
  }
}

@Module({})
class OperationsModule {
  static async of(options: OperationsOptions): Promise<DynamicModule> {
    // Loaded here and not above: it is CommonJS and requires Nest, which is ESM. Node does that since 20.19, but not every
    // module loader does (Jest's on Node 20), and only who serves metrics should need it.
    const { PrometheusModule } = await import('@willsoto/nestjs-prometheus');
    const { registry } = options.meter;
    const collected = registry.getSingleMetric('process_start_time_seconds') !== undefined;
    return {
      module: OperationsModule,
      imports: [
        RegistryModule.of(registry),
        PrometheusModule.register({
          path: '/metrics',
          controller: MetricsController,
          defaultMetrics: {
            enabled: (options.defaultMetrics ?? true) && !collected,
            config: { register: registry },
          },
        }),
        TerminusModule.forRoot({ logger: false }),
      ],
      controllers: [OperationsHealthController, ...(options.healthRoutes === true ? [HealthController] : [])],
      providers: [
        TerminusHealth,
        { provide: HealthMonitor, useValue: options.health },
        // It listens once it has started.
        { provide: HEALTH_STARTED, useValue: () => true },
      ],
    };
  }
}

/**
 * A second, small application for the operations port: `/metrics` (Prometheus text) and `/health` (every indicator with
 * its details); where asked for, what orchestrators probe as well. It has no authentication and must never be reachable from outside. It is given back without listening:
 * the caller chooses the address and closes it last, so that a stopping replica can still be watched.
 */
export async function createOperationsApplication(
  options: OperationsOptions,
): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(
    await OperationsModule.of(options),
    new FastifyAdapter({ bodyLimit: 1_024, forceCloseConnections: true }),
    { ...(options.logger === undefined ? {} : { logger: options.logger }), abortOnError: false },
  );
  return app;
}

import {
  Module,
  type DynamicModule,
  type FactoryProvider,
  type ModuleMetadata,
  type Provider,
} from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import type { HealthModuleOptions } from '../observability.options.js';
import { HEALTH_STARTED, HealthController } from './health.controller.js';
import { HealthMonitor } from './health-monitor.js';
import { TerminusHealth } from './terminus-health.js';

export interface HealthModuleAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  readonly inject?: FactoryProvider['inject'];
  /** Called with what `inject` names. */
  readonly useFactory: (...dependencies: never[]) => HealthModuleOptions | Promise<HealthModuleOptions>;
}

const OPTIONS = Symbol('HEALTH_OPTIONS');

/**
 * `/health/live`, `/health/ready` and `/health/started` for the public port. Exports the `HealthMonitor`, whose
 * `setStopping()` begins an ordered stop and which the operations application shows in full.
 */
@Module({})
export class HealthModule {
  static forRoot(options: HealthModuleOptions): DynamicModule {
    return HealthModule.of({ provide: OPTIONS, useValue: options });
  }

  static forRootAsync({ imports, inject, useFactory }: HealthModuleAsyncOptions): DynamicModule {
    return HealthModule.of({ provide: OPTIONS, inject: inject ?? [], useFactory }, imports);
  }

  private static of(options: Provider, imports: ModuleMetadata['imports'] = []): DynamicModule {
    return {
      module: HealthModule,
      // Terminus would log each failed check; the monitor logs each change.
      imports: [...imports, TerminusModule.forRoot({ logger: false })],
      controllers: [HealthController],
      providers: [
        options,
        TerminusHealth,
        {
          provide: HealthMonitor,
          inject: [OPTIONS],
          useFactory: (given: HealthModuleOptions) => new HealthMonitor(given),
        },
        {
          provide: HEALTH_STARTED,
          inject: [OPTIONS],
          useFactory: (given: HealthModuleOptions) => given.started ?? (() => true),
        },
      ],
      exports: [HealthMonitor],
    };
  }
}

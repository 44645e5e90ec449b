import type { HealthProbe, Meter } from '@rookery/kernel';
import type { LoggerService } from '@nestjs/common';
import type { Registry } from 'prom-client';
import type { HealthMonitor } from './health/health-monitor.js';

/** From the gravest to the finest. Nest's `log` is `info` and its `verbose` is `trace`. */
export type LogLevel = 'silent' | 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace';

/** Where finished lines go. `write` gets one line with its line feed. */
export interface LogDestination {
  write(line: string): unknown;
  /** Writes what is buffered before it returns. */
  flushSync?(): void;
}

export interface LoggerOptions {
  /** @default 'info' */
  readonly level?: LogLevel;
  /** `ecs`: one JSON object a line, in fields of the Elastic Common Schema. `pretty`: for a person at a terminal. */
  readonly format: 'ecs' | 'pretty';
  /** Name of the site; `service.name`. */
  readonly service: string;
  /** `service.node.name`. */
  readonly replicaId: string;
  /** @default undefined: the field is left out */
  readonly serviceVersion?: string;
  /** Further key names whose values are secrets, beside the built-in ones. @default [] */
  readonly redact?: readonly string[];
  /**
   * Routes whose access lines go to `debug`: what probes them every second would drown the rest.
   * @default the routes of HealthModule
   */
  readonly quietRoutes?: readonly string[];
  /**
   * Bytes that may wait for standard output (a pipe nobody reads). Beyond it lines are dropped, counted and reported once
   * there is room again. @default 16777216
   */
  readonly maxBufferedBytes?: number;
  /** Colours of the pretty format. @default true when standard output is a terminal */
  readonly colors?: boolean;
  /** @default standard output, asynchronous, flushed when the process exits */
  readonly destination?: LogDestination;
}

export interface PrometheusMeterOptions {
  /** @default prom-client's global registry, which @willsoto/nestjs-prometheus also uses */
  readonly registry?: Registry;
  /** Label sets of one metric; further ones are folded into `other`. @default 500 */
  readonly maxLabelSets?: number;
  /** Told once per metric when its label sets are folded, or when a recording was refused. @default none */
  readonly onFault?: (fault: { readonly metric: string; readonly problem: string }) => void;
}

export interface HealthMonitorOptions {
  /** Asked anew at each check when it is a function. Names must differ. */
  readonly probes: readonly HealthProbe[] | (() => readonly HealthProbe[]);
  /** Milliseconds after which a probe that has not answered is `down`. @default 1000 */
  readonly timeoutMs?: number;
  /** Milliseconds for which a finished check serves everybody who asks. @default 250 */
  readonly cacheMs?: number;
  /** Told once per change of an indicator. @default none */
  readonly logger?: Pick<LoggerService, 'log' | 'warn' | 'error'>;
  /** @default no metrics */
  readonly meter?: Meter;
}

export interface HealthModuleOptions extends HealthMonitorOptions {
  /** Whether the replica has finished starting. @default () => true */
  readonly started?: () => boolean;
}

export interface OperationsOptions {
  readonly health: HealthMonitor;
  readonly meter: { readonly registry: Registry };
  /** @default Nest's own */
  readonly logger?: LoggerService;
  /** prom-client's metrics of the process, its memory, its garbage collection and its event loop. @default true */
  readonly defaultMetrics?: boolean;
  /**
   * Also `/health/live`, `/health/ready` and `/health/started`: for a process that has no public port for them.
   * @default false
   */
  readonly healthRoutes?: boolean;
}

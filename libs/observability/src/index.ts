export { HEALTH_ROUTES } from './health/health-routes.js';
export { HealthController, type PublicStatus, type Readiness } from './health/health.controller.js';
export { HealthMonitor, type HealthFinding, type HealthSnapshot } from './health/health-monitor.js';
export { HealthModule, type HealthModuleAsyncOptions } from './health/health.module.js';
export { createLogger } from './logs/create-logger.js';
export { REDACTED } from './logs/redaction.js';
export { RookeryLogger, type AccessEntry, type FieldLogger } from './logs/rookery-logger.js';
export { measureEventLoop } from './metrics/event-loop.js';
export { DURATION_BUCKETS, PrometheusMeter } from './metrics/prometheus-meter.js';
export { observabilityErrors } from './observability.errors.js';
export type {
  HealthModuleOptions,
  HealthMonitorOptions,
  LogDestination,
  LoggerOptions,
  LogLevel,
  OperationsOptions,
  PrometheusMeterOptions,
} from './observability.options.js';
export { createOperationsApplication } from './operations/operations-application.js';
export type { OperationsHealth } from './operations/operations-health.controller.js';

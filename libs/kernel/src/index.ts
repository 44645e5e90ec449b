export { Ambient } from './ambient.js';
export { BackgroundLoop, type BackgroundLoopOptions } from './background-loop.js';
export { systemClock, type Clock } from './clock.js';
export { currentContext, currentDeadline, runInContext, type RequestContext } from './context.js';
export { Deadline } from './deadline.js';
export {
  CodedError,
  defineErrors,
  type CodedErrorOptions,
  type ErrorDefinition,
  type ErrorRegistry,
} from './errors.js';
export type { HealthProbe, HealthReport, HealthStatus } from './health.js';
export { isId, newId, newIdIn, randomBitsOfId, SLOT_COUNT, slotOfId, timeOfId, type Id } from './ids.js';
export { kernelErrors } from './kernel.errors.js';
export {
  noopMeter,
  type Counter,
  type Histogram,
  type Labels,
  type Meter,
  type MetricOptions,
} from './meter.js';

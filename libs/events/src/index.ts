export {
  defineEvent,
  type AnyEventDefinition,
  type DataOf,
  type DomainEvent,
  type EventDefinition,
  type EventOptions,
  type PublishOptions,
  type TopicOptions,
} from './definition/define-event.js';
export type { ReceivedEvent } from './definition/stored-event.js';
export { Events } from './events.js';
export { eventsErrors } from './events.errors.js';
export { EventsModule, startEvents } from './events.module.js';
export type { EventsOptions } from './events.options.js';
export { OnEvent, type OnEventOptions } from './handling/on-event.decorator.js';
export type { CommitListener, CommittedEvent } from './read-after-write/settlement.js';
export type { RetryOptions } from './handling/retry-policy.js';
export type { KafkaOptions } from './kafka/kafka.options.js';
export { ensureTopics, type TopicStatus } from './kafka/ensure-topics.js';
export { SoleReplica, type SoleReplicaOptions } from './presence/sole-replica.js';
export { eventsSchema } from './events.schema.js';
export { forgetGroup, type ForgottenGroup } from './operations/forget-group.js';
export {
  groupsOnShard,
  type Behind,
  type GroupOnShard,
  type ParkedCounts,
} from './operations/group-status.js';
export { appliedIn, loggedEvents } from './operations/logged-events.js';
export {
  chosenHeads,
  parkedHeads,
  parkedInFull,
  replayParked,
  skipParked,
  type ParkedChoice,
  type ParkedHead,
  type ParkedInFull,
  type ParkedList,
} from './operations/parked.js';
export {
  extentOfReplay,
  replayFrom,
  type ReplayedShard,
  type ReplayExtent,
  type ReplayFromOptions,
} from './operations/replay-from.js';
export {
  countProcesses,
  parkedUnderKeys,
  processesOfId,
  processesOnShard,
  type ParkedUnderKey,
  type ProcessCount,
  type ProcessFilter,
  type ProcessOnShard,
  type ProcessState,
} from './operations/processes.js';
export {
  defineProcess,
  type Process,
  type ProcessOptions,
  type ProcessRun,
  type ProcessStatus,
  type Timeout,
} from './process/define-process.js';
export { LATE_HEADER } from './read-after-write/read-after-write.interceptor.js';
export { EventsServer } from './transport/events.server.js';

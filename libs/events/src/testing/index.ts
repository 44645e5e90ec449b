export type { EventsInternals } from '../events.options.js';
export { FaultRun, wrongIn, type FaultReport, type FaultRunOptions, type RunningLoad } from './fault-run.js';
export { readOnly, type ReadingOnly } from './reading-only.js';
export {
  RECORDER_GROUPS,
  RecorderReplica,
  type Misbehaviour,
  type RecorderReplicaOptions,
} from './recorder-replica.js';
export {
  record,
  recorded,
  recorderKeys,
  recorderSchema,
  untilSeen,
  verdictOn,
  writeKeys,
  type Verdict,
  type WriteLoad,
} from './recorder.js';
export { handling, handlingMany, testEvents, type TestHandler } from './test-events.js';

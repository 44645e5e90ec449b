import type { StoredEvent } from '../definition/stored-event.js';
import type { LogSource } from '../groups/group-reader.js';
import type { Job } from './key-scheduler.js';

/** What became of an event: `left` if it was not dealt with and will come again. */
export type Outcome = 'applied' | 'parked' | 'left';

export interface EventJob extends Job {
  readonly event: StoredEvent;
  /** The key has parked events, and their time has come. */
  readonly retry: boolean;
  /** It may have ended a process before. */
  readonly suspect: boolean;
  /** The log it was read from just now; undefined where it comes from elsewhere. */
  readonly from?: LogSource;
  readonly done: (outcome: Outcome) => void;
}

import type { StoredEvent } from '../definition/stored-event.js';
import type { Group } from './handler.js';
import type { Parking } from './parking.js';
import { isOutage } from './retry-policy.js';

export interface ParkedRetriesOptions {
  readonly group: Group;
  readonly parking: Parking;
  readonly isStopped: () => boolean;
  /** Tries an event that has been tried so often. */
  readonly apply: (event: StoredEvent, attempts: number) => Promise<void>;
  readonly onTry: () => void;
  readonly onApplied: () => void;
  readonly onFailure: (event: StoredEvent, failure: unknown) => void;
}

/** Works off what is parked. */
export class ParkedRetries {
  constructor(private readonly options: ParkedRetriesOptions) {}

  /** What is parked under the key of an event, from its head, for as long as it goes well. Never rejects. */
  async workOff(event: StoredEvent): Promise<void> {
    const { parking, isStopped, onFailure } = this.options;
    try {
      while (!isStopped()) {
        const head = await parking.head(event);
        if (!head) return parking.release(event);
        if (head.state !== 'waiting' || !head.due) return;
        if (head.kills) await parking.holdForTry(head.event);
        if (!(await this.tryHead(head.event, head.attempts))) return;
      }
    } catch (error) {
      // It is still parked, and due: its time comes with the next look.
      onFailure(event, error);
    }
  }

  /** Gives whether the next of its key has its turn. @throws where it was not the event that failed */
  private async tryHead(event: StoredEvent, attempts: number): Promise<boolean> {
    const { group, parking, apply, onTry, onApplied, onFailure } = this.options;
    onTry();
    try {
      await apply(event, attempts);
    } catch (error) {
      if (isOutage(error)) throw error;
      const onExhausted = group.handlerOf(event.type)?.onExhausted ?? 'hold';
      const state = await parking.failedAgain(event, attempts, error, onExhausted);
      onFailure(event, error);
      return state === 'skipped';
    }
    await parking.unpark(event);
    onApplied();
    return true;
  }
}

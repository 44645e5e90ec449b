import { Ambient } from '@rookery/kernel';
import type { StoredEvent } from '../definition/stored-event.js';

/** One event on its way through one handler. */
export interface Delivery {
  readonly group: string;
  readonly event: StoredEvent;
  /** What the handler itself threw: filters of the application may turn it into something else. */
  thrown?: { readonly error: unknown };
}

const current = new Ambient<Delivery>();

export function currentDelivery(): Delivery | undefined {
  return current.get();
}

export function runInDelivery<T>(delivery: Delivery, work: () => T): T {
  return current.run(delivery, work);
}

import { createRequire } from 'node:module';

/** What is known here of kafkajs' queue before a connection. */
export interface RequestQueue {
  readonly pending: readonly unknown[];
  /** Milliseconds since the epoch; -1 where no broker has asked to wait. */
  readonly throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
}

const RECHECK_MS = 10;

/** kafkajs' own class; nothing of its facade leads there. */
export const requestQueue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue/index.js') as {
  new (options: Readonly<Record<string, unknown>>): RequestQueue;
  readonly prototype: RequestQueue;
};

/**
 * Has kafkajs look after waiting requests only where some wait. Version 2.2 looks every millisecond, at each connection, for
 * as long as it stands (https://github.com/tulios/kafkajs/issues/1704): a twentieth of a core in an idle replica of Conduit,
 * and on Node.js 24 a warning of a negative timeout (issue 1751). A request that has to wait sets out the look itself, as an
 * answer does.
 */
export function quietRequestQueues(): void {
  requestQueue.prototype.scheduleCheckPendingRequests = function schedule(this: RequestQueue): void {
    if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return;
    const throttledMs = this.throttledUntil - Date.now();
    this.throttleCheckTimeoutId = setTimeout(
      () => {
        this.throttleCheckTimeoutId = null;
        this.checkPendingRequests();
      },
      throttledMs > 0 ? throttledMs : RECHECK_MS,
    );
  };
}

import { setTimeout as delay } from 'node:timers/promises';
import { kafkaClient } from './kafka-client.js';
import { requestQueue, type RequestQueue } from './quiet-request-queues.js';

interface Open extends RequestQueue, NodeJS.EventEmitter {
  push(request: { entry: { correlationId: number }; expectResponse: boolean; sendRequest: () => void }): void;
  fulfillRequest(response: { correlationId: number; payload: Buffer; size: number }): void;
  maybeThrottle(ms: number): void;
  destroy(): void;
}

const queues: Open[] = [];
function queue(maxInFlightRequests: number): Open {
  kafkaClient({ brokers: ['nowhere:9092'], clientId: 'a', requestTimeoutMs: 1_000 } as never, () => {});
  const silent = { debug: () => {}, warn: () => {} };
  const made = new requestQueue({ maxInFlightRequests, requestTimeout: 60_000, logger: silent }) as Open;
  queues.push(made);
  return made;
}
afterEach(() => {
  for (const made of queues.splice(0)) made.destroy();
});

function pushed(to: Open, correlationId: number): () => boolean {
  let sent = false;
  const entry = { correlationId, resolve: () => {}, reject: () => {} };
  to.push({ entry, expectResponse: true, sendRequest: () => (sent = true) });
  return () => sent;
}

describe("kafkajs' queues of requests", () => {
  it('look after nothing where no request waits', async () => {
    const quiet = queue(1);
    const sent = pushed(quiet, 1);
    quiet.fulfillRequest({ correlationId: 1, payload: Buffer.alloc(0), size: 0 });
    expect(sent()).toBe(true);
    expect(quiet.throttleCheckTimeoutId).toBeNull();
  });

  it('send what waited for an answer when it comes', () => {
    const full = queue(1);
    pushed(full, 1);
    const second = pushed(full, 2);
    expect(second()).toBe(false);
    full.fulfillRequest({ correlationId: 1, payload: Buffer.alloc(0), size: 0 });
    expect(second()).toBe(true);
  });

  it('send what a broker has asked to hold back, once its time is over', async () => {
    const throttled = queue(5);
    throttled.maybeThrottle(20);
    const waits = pushed(throttled, 1);
    expect(waits()).toBe(false);
    while (!waits()) await delay(1);
    expect(throttled.throttledUntil).toBeLessThanOrEqual(Date.now());
    throttled.fulfillRequest({ correlationId: 1, payload: Buffer.alloc(0), size: 0 });
  });
});

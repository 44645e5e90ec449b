import type { Shards, ShardTransaction } from '@rookery/sharding';
import type { EventDefinition } from '../definition/define-event.js';
import { Events } from '../events.js';
import { settled, type EventsInternals, type EventsOptions } from '../events.options.js';
import type { Handler } from '../handling/handler.js';
import type { OnEventOptions } from '../handling/on-event.decorator.js';
import type { ReceivedEvent } from '../definition/stored-event.js';

export type TestHandler = readonly [
  definition: EventDefinition<never>,
  options: OnEventOptions<never>,
  handle: (event: never, tx: ShardTransaction) => Promise<unknown>,
];

/** A handler without Nest around it. */
export function handling<D>(
  definition: EventDefinition<D>,
  options: OnEventOptions<D>,
  handle: (event: ReceivedEvent<D>, tx: ShardTransaction) => Promise<unknown>,
): TestHandler {
  return [definition, options, handle] as unknown as TestHandler;
}

/** A handler of batches, without Nest around it. */
export function handlingMany<D>(
  definition: EventDefinition<D>,
  options: OnEventOptions<D>,
  handle: (events: readonly ReceivedEvent<D>[], tx: ShardTransaction) => Promise<unknown>,
): TestHandler {
  return [definition, { ...options, batch: true }, handle] as unknown as TestHandler;
}

/** `Events` on some shards with handlers of a test; started by the caller. */
export function testEvents(
  shards: Shards,
  handlers: readonly TestHandler[],
  options: Partial<EventsOptions> = {},
  internals: EventsInternals = {},
): Events {
  const definitions = [...new Set(handlers.map(([definition]) => definition))];
  const events = new Events(
    shards,
    settled({ events: definitions, replicaId: `test-${Math.random().toString(36).slice(2)}`, ...options }),
    internals,
  );
  for (const [definition, given, handle] of handlers) {
    const handler: Handler = {
      name: `test handler of ${definition.type}`,
      group: given.group,
      definition,
      batch: given.batch ?? false,
      readAfterWrite: given.readAfterWrite ?? false,
      onExhausted: given.onExhausted ?? 'hold',
      timeoutMs: given.timeoutMs ?? 5_000,
      at: given.at as Handler['at'],
      invoke: (event, tx) => handle(event as never, tx),
    };
    events.addHandler(handler, given.concurrency);
  }
  return events;
}

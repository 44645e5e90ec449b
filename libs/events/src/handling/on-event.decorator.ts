import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import type { ShardKey, ShardTransaction } from '@rookery/sharding';
import type { EventDefinition } from '../definition/define-event.js';
import type { ReceivedEvent } from '../definition/stored-event.js';
import { currentDelivery } from './delivery.js';

/** How a group handles one kind of event. */
export interface OnEventOptions<D> {
  /** Who consumes: each event is applied once per group, however many replicas run. Letters, digits, dashes. */
  readonly group: string;
  /**
   * Where the effect is: the transaction that the handler gets is in the slot of this key. A handler that needs two
   * places is two handlers: the first publishes what the second one does. @default where the event was published
   */
  readonly at?: (data: D) => ShardKey;
  /** Events of different keys that a replica handles at once, of each shard (of all together, by Kafka); the highest of the group's handlers counts. @default 8 */
  readonly concurrency?: number;
  /** The handler takes an array, in one transaction: events of one shard, each key in order. @default false */
  readonly batch?: boolean;
  /** A client's next read must show it: its answer waits for this handler, a moment. @default false */
  readonly readAfterWrite?: boolean;
  /** What becomes of an event when all tries are used up: its key waits for a person, or goes on without it. @default 'hold' */
  readonly onExhausted?: 'hold' | 'skip';
  /** Longest a try may take, in milliseconds. @default 10000 */
  readonly timeoutMs?: number;
}

/** What `@OnEvent` leaves for the server that Nest binds the handlers to. */
export interface OnEventMetadata {
  readonly definition: EventDefinition<never>;
  readonly options: OnEventOptions<never>;
  readonly name: string;
}

/** Handlers with this transport belong to the server of this library, and to no other microservice of the application. */
export const EVENTS_TRANSPORT = Symbol('rookery-events');

/** What a handler takes: one event, or those of a batch. */
type Given<D, B extends boolean> = B extends true ? readonly ReceivedEvent<D>[] : ReceivedEvent<D>;

/**
 * Makes a method of a controller a handler: `(event: ReceivedEvent, tx: ShardTransaction) => Promise<void>`. Its effect and
 * the note that the event is applied are one commit. It may run again until that commit, so it must have no effect but
 * through `tx`. Guards, pipes, interceptors and filters apply as to any handler of a microservice.
 */
export function OnEvent<D, B extends boolean = false>(
  definition: EventDefinition<D>,
  options: OnEventOptions<D> & { readonly batch?: B },
) {
  return <M extends (event: Given<D, B>, tx: ShardTransaction) => Promise<unknown>>(
    target: object,
    property: string | symbol,
    descriptor: TypedPropertyDescriptor<M>,
  ): void => {
    const original = descriptor.value!;
    // Nest's filters make something for the world of what a handler throws; what it was decides whether it is tried again.
    const told = async function (this: unknown, ...args: unknown[]): Promise<unknown> {
      try {
        return await original.apply(this, args as Parameters<M>);
      } catch (error) {
        const delivery = currentDelivery();
        if (delivery) delivery.thrown = { error };
        throw error;
      }
    };
    Object.defineProperty(told, 'name', { value: original.name });
    for (const key of Reflect.getMetadataKeys(original) as string[]) {
      Reflect.defineMetadata(key, Reflect.getMetadata(key, original), told);
    }
    descriptor.value = told as unknown as M;
    Payload()(target, property, 0);
    Ctx()(target, property, 1);
    const metadata: OnEventMetadata = {
      definition: definition as unknown as EventDefinition<never>,
      options,
      name: `${target.constructor.name}.${String(property)}`,
    };
    EventPattern(`${options.group} ${definition.type}`, EVENTS_TRANSPORT, { ...metadata })(
      target,
      property,
      descriptor as unknown as TypedPropertyDescriptor<(data: object, ...args: unknown[]) => unknown>,
    );
  };
}

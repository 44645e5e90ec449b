import { Injectable } from '@nestjs/common';
import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import { eventsErrors } from '../events.errors.js';
import { Events } from '../events.js';
import { EVENTS_TRANSPORT, type OnEventMetadata } from '../handling/on-event.decorator.js';

const DEFAULT_TIMEOUT_MS = 10_000;

/**
 * What Nest takes for the server of a microservice: it binds the handlers that `@OnEvent` marks, with their guards, pipes,
 * interceptors and filters, and starts and stops with the application.
 */
@Injectable()
export class EventsServer extends Server implements CustomTransportStrategy {
  override readonly transportId = EVENTS_TRANSPORT;
  private bound = false;

  constructor(private readonly events: Events) {
    super();
  }

  listen(callback: (error?: unknown) => void): void {
    this.bind();
    this.events.start().then(() => callback(), callback);
  }

  /** After HTTP has drained; producers and databases are closed later. */
  close(): Promise<void> {
    return this.events.stop();
  }

  on(): never {
    throw eventsErrors.create('BAD_HANDLER', {
      data: { handler: 'a listener', reason: 'this server has no events of its own' },
    });
  }

  unwrap<T>(): T {
    return this.events as T;
  }

  private bind(): void {
    if (this.bound) return;
    this.bound = true;
    for (const handler of this.getHandlers().values()) this.declare(handler);
  }

  private declare(handle: MessageHandler): void {
    const { definition, options, name } = handle.extras as unknown as OnEventMetadata;
    if (handle.next) {
      throw eventsErrors.create('BAD_HANDLER', {
        data: { handler: name, reason: `another one handles ${definition.type} in group ${options.group}` },
      });
    }
    this.events.addHandler(
      {
        name,
        group: options.group,
        definition,
        batch: options.batch ?? false,
        readAfterWrite: options.readAfterWrite ?? false,
        onExhausted: options.onExhausted ?? 'hold',
        timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
        at: options.at as ((data: unknown) => never) | undefined,
        invoke: async (event, tx) => {
          const answer: unknown = await handle(event, tx);
          if (isObservable(answer)) await lastValueFrom(answer, { defaultValue: undefined });
        },
      },
      options.concurrency,
    );
  }
}

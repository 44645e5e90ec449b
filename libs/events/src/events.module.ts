import { Module, type DynamicModule, type INestApplication } from '@nestjs/common';
import { Shards } from '@rookery/sharding';
import { Events } from './events.js';
import { settled, type EventsOptions } from './events.options.js';
import { EventsServer } from './transport/events.server.js';
import { ReadAfterWriteInterceptor } from './read-after-write/read-after-write.interceptor.js';

/** Gives the application its `Events`, on the `Shards` that `ShardingModule` made. */
@Module({})
export class EventsModule {
  static forRoot(options: EventsOptions): DynamicModule {
    return {
      module: EventsModule,
      global: true,
      providers: [
        {
          provide: Events,
          inject: [Shards],
          useFactory: (shards: Shards) => new Events(shards, settled(options)),
        },
        EventsServer,
        ReadAfterWriteInterceptor,
      ],
      exports: [Events, EventsServer, ReadAfterWriteInterceptor],
    };
  }
}

/**
 * Binds the application's handlers and begins to handle. Call it once the application is made, before it listens; it ends
 * with the application, after HTTP has drained.
 * @throws RK_EVENTS_BAD_HANDLER, _UNDECLARED
 */
export async function startEvents(app: INestApplication): Promise<void> {
  app.useGlobalInterceptors(app.get(ReadAfterWriteInterceptor));
  app.connectMicroservice({ strategy: app.get(EventsServer) });
  await app.startAllMicroservices();
}

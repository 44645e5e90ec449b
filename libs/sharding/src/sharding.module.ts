import {
  Module,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { Shards } from './shards.js';
import type { ShardingOptions } from './sharding.options.js';

/**
 * Gives the application its `Shards`. It is started before this module is made, so that a site whose schema does not fit
 * never listens; it is closed in `onApplicationShutdown`, after HTTP has drained.
 */
@Module({})
export class ShardingModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(private readonly shards: Shards) {}

  static forRoot(options: ShardingOptions): DynamicModule {
    return {
      module: ShardingModule,
      global: true,
      providers: [
        {
          provide: Shards,
          useFactory: async (): Promise<Shards> => {
            const shards = new Shards(options);
            try {
              await shards.start();
            } catch (error) {
              await shards.close();
              throw error;
            }
            return shards;
          },
        },
      ],
      exports: [Shards],
    };
  }

  onApplicationBootstrap(): void {
    this.shards.directory.startSweeper();
    this.shards.globals.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.shards.close();
  }
}

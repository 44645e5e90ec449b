import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { Cache } from './cache.js';
import { settled, type CacheOptions } from './cache.options.js';
import { driverFor } from './drivers/driver-for.js';

/** A cache as the options say; it works between `start` and `stop`. @throws RK_CACHE_BAD_OPTIONS */
export function createCache(options: CacheOptions = {}): Cache {
  const settings = settled(options);
  return new Cache(driverFor(settings), settings);
}

class CacheLife implements OnApplicationShutdown {
  constructor(private readonly cache: Cache) {}

  /** After HTTP has drained: requests under way still read. */
  async onApplicationShutdown(): Promise<void> {
    await this.cache.stop();
  }
}

/** Gives the application its `Cache`, started. */
@Module({})
export class CacheModule {
  static forRoot(options: CacheOptions = {}): DynamicModule {
    return {
      module: CacheModule,
      global: true,
      providers: [
        {
          provide: Cache,
          useFactory: async () => {
            const cache = createCache(options);
            await cache.start();
            return cache;
          },
        },
        { provide: CacheLife, inject: [Cache], useFactory: (cache: Cache) => new CacheLife(cache) },
      ],
      exports: [Cache],
    };
  }
}

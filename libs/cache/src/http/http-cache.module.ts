import { Module, type DynamicModule, type FactoryProvider, type Provider } from '@nestjs/common';
import { APP_INTERCEPTOR, DiscoveryModule } from '@nestjs/core';
import { CacheInterceptor } from './cache.interceptor.js';
import { CachedRoutes } from './cached-routes.js';
import { EarlyIndex } from './early-index.js';
import { HTTP_CACHE_OPTIONS, type HttpCacheOptions } from './http-cache.options.js';

export interface HttpCacheAsyncOptions {
  readonly inject?: FactoryProvider['inject'];
  readonly useFactory: (...args: never[]) => HttpCacheOptions;
  readonly providers?: Provider[];
}

/** Answers `@Cached` routes from the application's `Cache`, and refuses to start where one could be wrong. */
@Module({})
export class HttpCacheModule {
  static forRoot(options: HttpCacheOptions): DynamicModule {
    return HttpCacheModule.forRootAsync({ useFactory: () => options });
  }

  /** @param providers what `inject` names, where it is not global */
  static forRootAsync({ inject = [], useFactory, providers = [] }: HttpCacheAsyncOptions): DynamicModule {
    return {
      module: HttpCacheModule,
      imports: [DiscoveryModule],
      providers: [
        ...providers,
        { provide: HTTP_CACHE_OPTIONS, inject, useFactory },
        CachedRoutes,
        EarlyIndex,
        { provide: APP_INTERCEPTOR, useClass: CacheInterceptor },
      ],
      exports: [EarlyIndex],
    };
  }
}

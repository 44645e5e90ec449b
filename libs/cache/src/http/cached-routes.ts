import { Inject, Injectable, type OnModuleInit, type Type } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { cachedOptionsOf, checkRoute, type CachedRoute } from './cached-route.js';
import { HTTP_CACHE_OPTIONS, type HttpCacheOptions } from './http-cache.options.js';

type Handler = (...args: never[]) => unknown;

/** The cached routes of the application, each checked before it takes a request. */
@Injectable()
export class CachedRoutes implements OnModuleInit {
  private readonly routes = new Map<unknown, CachedRoute>();

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    @Inject(HTTP_CACHE_OPTIONS) private readonly options: HttpCacheOptions,
  ) {}

  /** @throws RK_CACHE_BAD_ROUTE: the application does not start */
  onModuleInit(): void {
    for (const { metatype } of this.discovery.getControllers()) {
      if (typeof metatype !== 'function') continue;
      const controller = metatype as Type;
      const methods = controller.prototype as Record<string, Handler>;
      for (const method of this.scanner.getAllMethodNames(methods)) {
        const handler = methods[method]!;
        const cached = cachedOptionsOf(handler);
        if (!cached) continue;
        const readsViewer = this.options.readsViewer(controller, handler);
        this.routes.set(handler, checkRoute(controller, method, cached, readsViewer));
      }
    }
  }

  of(handler: unknown): CachedRoute | undefined {
    return this.routes.get(handler);
  }
}

import type { Type } from '@nestjs/common';

export interface HttpCacheOptions {
  /** Whether a route is told who calls: it must be keyed by viewer then. */
  readonly readsViewer: (controller: Type, handler: (...args: never[]) => unknown) => boolean;
  /** The bytes of what a handler gave, where they are not its JSON. @default none are */
  readonly bytesOf?: (value: unknown) => string | Buffer | undefined;
  /** Whether answers are cached at present; all routes are passed by where not. Asked with each request. @default always */
  readonly enabled?: () => boolean;
  /** Addresses that are remembered for answers before the router. @default 10000 */
  readonly maxEarly?: number;
}

export const HTTP_CACHE_OPTIONS = Symbol('rookery.http-cache-options');

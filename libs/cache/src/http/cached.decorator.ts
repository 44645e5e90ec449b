import { SetMetadata } from '@nestjs/common';

/** What a request gives to a cached route: all that its answer may depend on. */
export interface CachedRequest {
  readonly params: Readonly<Record<string, string | undefined>>;
  /** Only the names that the route declares; as they came, so a repeated one is an array. */
  readonly query: Readonly<Record<string, unknown>>;
  /** Undefined for an anonymous caller, and on routes that are not keyed by viewer. */
  readonly viewer: string | undefined;
}

export interface CachedOptions {
  /** What an answer is made of: to invalidate one of them ends it. `undefined` passes the cache by. */
  readonly tags: (request: CachedRequest) => readonly string[] | undefined;
  /** Milliseconds during which an answer is fresh, ±5%. */
  readonly ttlMs: number;
  /** Milliseconds after that, or after a soft invalidation, during which it may be served while it is loaded. @default 0 */
  readonly staleMs?: number;
  /** Names of the query that the answer depends on. The handler sees no others. @default none */
  readonly query?: readonly string[];
  /** Whether each viewer has answers of their own. A route that knows its viewer must say so. @default false */
  readonly viewer?: boolean;
  /**
   * Whether answers may be given before the router, to anonymous callers and to viewers that are known at once: no guard, pipe
   * or interceptor runs then.
   * @default false
   */
  readonly early?: boolean;
  /** `Cache-Control` of the answers. @default 'private, no-cache': kept by the client, asked for anew each time */
  readonly cacheControl?: string;
}

export const CACHED = 'rookery:cached';

/** Keeps the answers of a GET route, by all that they may depend on: its parameters, the query it names, its viewer. */
export const Cached = (options: CachedOptions): MethodDecorator => SetMetadata(CACHED, options);

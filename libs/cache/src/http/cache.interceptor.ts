import {
  Inject,
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { currentContext } from '@rookery/kernel';
import { lastValueFrom, of, type Observable } from 'rxjs';
import { Cache } from '../cache.js';
import { hasIt, headersOf } from './answer-headers.js';
import type { CachedRequest } from './cached.decorator.js';
import type { CachedRoute } from './cached-route.js';
import { CachedRoutes } from './cached-routes.js';
import { EarlyIndex } from './early-index.js';
import { HTTP_CACHE_OPTIONS, type HttpCacheOptions } from './http-cache.options.js';

/** What of a request and its reply is used; those of Fastify and of Express have it. */
interface Request {
  readonly method: string;
  readonly url: string;
  readonly params: Record<string, string | undefined>;
  query: Record<string, unknown>;
  readonly routeOptions?: { readonly url?: string };
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}
interface Reply {
  status(code: number): unknown;
  header(name: string, value: string): unknown;
  getHeader(name: string): unknown;
}

const JSON_TYPE = 'application/json; charset=utf-8';

/** Answers cached routes from the cache, and fills it with what their handlers give. Guards run before, as always. */
@Injectable()
export class CacheInterceptor implements NestInterceptor {
  constructor(
    private readonly cache: Cache,
    private readonly routes: CachedRoutes,
    private readonly early: EarlyIndex,
    @Inject(HTTP_CACHE_OPTIONS) private readonly given: HttpCacheOptions,
  ) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const route = this.routes.of(context.getHandler());
    if (!route) return next.handle();
    const http = context.switchToHttp();
    const [request, reply] = [http.getRequest<Request>(), http.getResponse<Reply>()];
    const { options } = route;
    if (options.viewer) addVary(reply, 'Authorization');
    const input = keyed(request, route);
    const tags = this.given.enabled?.() === false ? undefined : options.tags(input);
    if (tags === undefined) {
      reply.header('cache-control', options.cacheControl ?? 'private, no-cache');
      reply.header('cache-status', 'rookery; fwd=bypass');
      return next.handle();
    }
    const key = keyOf(route, input);
    const entry = await this.cache.getEntry(
      key,
      async () => ({ body: this.bytesOf(await lastValueFrom(next.handle())), contentType: JSON_TYPE }),
      { tags, ttlMs: options.ttlMs, staleMs: options.staleMs },
    );
    for (const [name, value] of Object.entries(headersOf(entry, options))) reply.header(name, value);
    if (options.early && request.method === 'GET') {
      const known = { key, route: request.routeOptions?.url ?? route.name, options };
      this.early.learn(request.url, known, input.viewer);
    }
    if (hasIt(single(request.headers['if-none-match']), entry.etag)) {
      reply.status(304);
      return of(undefined);
    }
    return of(entry.body);
  }

  private bytesOf(value: unknown): string | Buffer {
    return this.given.bytesOf?.(value) ?? JSON.stringify(value);
  }
}

/** What the answer may depend on. The handler sees of the query what is in the key, and nothing else. */
function keyed(request: Request, { options }: CachedRoute): CachedRequest {
  const query: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const name of options.query ?? []) {
    const value = request.query[name];
    if (value !== undefined) query[name] = value;
  }
  request.query = query;
  return {
    params: request.params,
    query,
    viewer: options.viewer ? currentContext()?.viewerId : undefined,
  };
}

/** Different for whatever differs: a JSON array leaves no two inputs with one text. */
function keyOf({ name, options }: CachedRoute, { params, query, viewer }: CachedRequest): string {
  const names = options.query ?? [];
  return JSON.stringify([
    name,
    viewer ?? null,
    Object.keys(params)
      .sort()
      .map((param) => params[param]),
    names.map((one) => query[one] ?? null),
  ]);
}

function addVary(reply: Reply, name: string): void {
  const before = reply.getHeader('vary');
  reply.header('vary', typeof before === 'string' && before !== '' ? `${before}, ${name}` : name);
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value;
}

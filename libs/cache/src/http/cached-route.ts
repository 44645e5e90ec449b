import { RequestMethod, type Type } from '@nestjs/common';
import {
  CUSTOM_ROUTE_ARGS_METADATA,
  HEADERS_METADATA,
  HTTP_CODE_METADATA,
  METHOD_METADATA,
  REDIRECT_METADATA,
  RENDER_METADATA,
  ROUTE_ARGS_METADATA,
  SSE_METADATA,
} from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import { cacheErrors } from '../cache.errors.js';
import { CACHED, type CachedOptions } from './cached.decorator.js';

type Handler = (...args: never[]) => unknown;

/** A route whose answers are kept. */
export interface CachedRoute {
  /** `ArticlesController.show`: first part of its keys. */
  readonly name: string;
  readonly options: CachedOptions;
}

/** What a handler may take from a request without its answer depending on more than the key says. */
const KEYED: ReadonlySet<number> = new Set([RouteParamtypes.PARAM, RouteParamtypes.QUERY]);
/** What an answer from the cache would lack. */
const UNKEPT = {
  [HTTP_CODE_METADATA]: '@HttpCode',
  [HEADERS_METADATA]: '@Header',
  [REDIRECT_METADATA]: '@Redirect',
  [RENDER_METADATA]: '@Render',
  [SSE_METADATA]: '@Sse',
};

const HTTP_OK = 200;

export function cachedOptionsOf(handler: Handler): CachedOptions | undefined {
  return Reflect.getMetadata(CACHED, handler) as CachedOptions | undefined;
}

/**
 * @param readsViewer whether the application tells this route who calls
 * @throws RK_CACHE_BAD_ROUTE where the answer could depend on what is not in its key, or has what is not kept
 */
export function checkRoute(
  controller: Type,
  method: string,
  options: CachedOptions,
  readsViewer: boolean,
): CachedRoute {
  const name = `${controller.name}.${method}`;
  const refuse = (reason: string): never => {
    throw cacheErrors.create('BAD_ROUTE', { data: { route: name, reason } });
  };
  const handler = (controller.prototype as Record<string, Handler>)[method]!;
  if (Reflect.getMetadata(METHOD_METADATA, handler) !== RequestMethod.GET) refuse('it is no GET');
  if (readsViewer && !options.viewer) {
    refuse('it knows its viewer, and would give one what was made for another: declare `viewer: true`');
  }
  for (const [metadata, decorator] of Object.entries(UNKEPT)) {
    const said: unknown = Reflect.getMetadata(metadata, handler);
    if (said !== undefined && said !== HTTP_OK) refuse(`what ${decorator} says would not be kept`);
  }
  const args = (Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, method) ?? {}) as Record<
    string,
    { data?: unknown }
  >;
  for (const [kind, { data }] of Object.entries(args)) {
    if (kind.includes(CUSTOM_ROUTE_ARGS_METADATA)) {
      if (!options.viewer) refuse('a parameter decorator of its own may read what is not in the key');
      continue;
    }
    const type = Number(kind.split(':', 1)[0]);
    if (!KEYED.has(type)) refuse(`it takes ${RouteParamtypes[type]} of the request, which is not in the key`);
    if (type === RouteParamtypes.QUERY && typeof data === 'string' && !options.query?.includes(data)) {
      refuse(`it takes ${data} of the query, which \`query\` does not name`);
    }
  }
  if (!(options.ttlMs > 0)) refuse(`ttlMs is ${options.ttlMs}`);
  return { name, options };
}

import type { LoggerService } from '@nestjs/common';
import { noopMeter, type Meter } from '@rookery/kernel';
import { problemDetails } from './problem-details.renderer.js';
import type { ErrorRenderer } from './problem.js';
import { nestHttpLogger } from './nest-logger.js';

/** Where the request path reports what it must not tell clients. pino's loggers fit. */
export interface HttpLogger {
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** One request, once its answer is out or its client is gone. */
export interface RequestDone {
  readonly requestId: string;
  readonly traceId: string | undefined;
  readonly viewerId: string | undefined;
  readonly method: string;
  /** Route template, or `unmatched`. */
  readonly route: string;
  /** Path without the query, which may carry secrets. */
  readonly path: string;
  /** 499 when the client left before the answer was out. */
  readonly status: number;
  readonly durationMs: number;
  /** The client's address, by `trustProxy`. */
  readonly address: string;
  /** `RK_…` where a problem was answered. */
  readonly code: string | undefined;
}

export interface DocsOptions {
  readonly title: string;
  readonly version: string;
  readonly description?: string;
  /** The page. @default '/docs' */
  readonly path?: string;
  /** The OpenAPI document. @default '/openapi.json' */
  readonly jsonPath?: string;
  /** Paths that are of no use to a client, such as `/health/live`: the document and the page leave them out. @default [] */
  readonly hidden?: readonly string[];
  /** How a person signs in on the page. @default the Authorization header, sent as typed */
  readonly credentials?: { readonly name?: string; readonly description?: string };
}

export interface HttpOptions {
  /** Milliseconds a request may take from its header to its answer. @default 5000 */
  readonly deadlineMs?: number;
  /** @default 1048576 (1 MiB) */
  readonly bodyLimitBytes?: number;
  /** Objects and arrays within each other in a body. @default 32 */
  readonly maxJsonDepth?: number;
  /** Elements of one array in a body. @default 1000 */
  readonly maxArrayLength?: number;
  /** Characters of one path parameter; longer ones are 414. @default 2048 */
  readonly maxParamLength?: number;
  /** Bytes of a request's header, its first line included; longer ones are 431. @default 16384 */
  readonly maxHeaderBytes?: number;
  /** Origins a browser may call from. None: no CORS at all. @default [] */
  readonly corsOrigins?: readonly string[];
  /** Proxies whose X-Forwarded-* are believed, as Fastify takes it. @default false */
  readonly trustProxy?: boolean | string | string[];
  /** Milliseconds an idle keep-alive connection is kept. More than the proxy in front keeps it. @default 72000 */
  readonly keepAliveMs?: number;
  /** Milliseconds that `close` waits for requests under way before it cuts their connections. @default 10000 */
  readonly closeLimitMs?: number;
  /** @default none */
  readonly meter?: Meter;
  /** @default Nest's logger */
  readonly logger?: HttpLogger;
  /** @default `problemDetails` (RFC 9457) */
  readonly errorRenderer?: ErrorRenderer;
  /** The API page and document. @default none */
  readonly docs?: DocsOptions;
  /** Called once per request, for access logs. Must not throw. @default none */
  readonly onRequestDone?: (done: RequestDone) => void;
  /** Path before all controllers, and the paths it does not apply to. @default none */
  readonly globalPrefix?: string | { readonly prefix: string; readonly exclude: string[] };
  /** Nest's own logger, for its start. @default Nest's console logger, warnings and errors only */
  readonly nestLogger?: LoggerService | false;
}

export type ResolvedHttpOptions = Required<
  Omit<HttpOptions, 'docs' | 'onRequestDone' | 'globalPrefix' | 'nestLogger'>
> &
  Pick<HttpOptions, 'docs' | 'onRequestDone' | 'globalPrefix' | 'nestLogger'>;

export function resolveHttpOptions(options: HttpOptions): ResolvedHttpOptions {
  return {
    ...options,
    deadlineMs: options.deadlineMs ?? 5000,
    bodyLimitBytes: options.bodyLimitBytes ?? 1_048_576,
    maxJsonDepth: options.maxJsonDepth ?? 32,
    maxArrayLength: options.maxArrayLength ?? 1000,
    maxParamLength: options.maxParamLength ?? 2048,
    maxHeaderBytes: options.maxHeaderBytes ?? 16_384,
    corsOrigins: options.corsOrigins ?? [],
    trustProxy: options.trustProxy ?? false,
    keepAliveMs: options.keepAliveMs ?? 72_000,
    closeLimitMs: options.closeLimitMs ?? 10_000,
    meter: options.meter ?? noopMeter,
    logger: options.logger ?? nestHttpLogger(),
    errorRenderer: options.errorRenderer ?? problemDetails,
  };
}

import type { Meter } from '@rookery/kernel';
import type { PackageDefinition } from '../proto/load-proto.js';
import type { RpcTls } from '../tls/tls-files.js';

/** A call of an application's service that has ended; told once per call. */
export interface CallDone {
  readonly requestId: string;
  readonly traceId: string | undefined;
  readonly viewerId: string | undefined;
  /** `conduit.v1.Articles/GetArticle` */
  readonly method: string;
  /** `OK`, `NOT_FOUND`, …; `CANCELLED` where the caller left. */
  readonly status: string;
  /** Code of the error that was answered. */
  readonly code: string | undefined;
  readonly durationMs: number;
  /** `address:port` of the caller. */
  readonly peer: string;
}

export interface RpcServerOptions {
  /** What is served: of `loadProto`. */
  readonly proto: PackageDefinition;
  /** Packages of `proto` whose services have controllers: `conduit.v1`. */
  readonly packages: readonly string[];
  /** @default 127.0.0.1 */
  readonly host?: string;
  /** 0 picks a free one. */
  readonly port: number;
  /**
   * The port is this process's alone, although it is a worker of `node:cluster`: a caller keeps one connection to a port, and
   * would have one of the workers do all of its work. @default false: workers share it
   */
  readonly exclusive?: boolean;
  /** Milliseconds that a call may take; a caller may ask for less. @default 5000 */
  readonly deadlineMs?: number;
  /** @default none: plain text, for a network that is one's own */
  readonly tls?: RpcTls;
  /** Largest message either way, in bytes. @default 4 MiB */
  readonly maxMessageBytes?: number;
  /** Whether others may ask which services there are, and of what form. @default true */
  readonly reflection?: boolean;
  /** Milliseconds that calls under way are given at a stop. @default 10000 */
  readonly drainMs?: number;
  /** @default nothing is measured */
  readonly meter?: Meter;
  /** The access log. @default nobody is told */
  readonly onCallDone?: (done: CallDone) => void;
  /** Told of what a caller is only told opaquely: errors of 500 and above, with their cause. @default nobody is told */
  readonly onError?: (error: unknown, method: string) => void;
}

export interface ResolvedRpcServerOptions extends Required<Omit<RpcServerOptions, 'tls'>> {
  readonly tls: RpcTls | undefined;
}

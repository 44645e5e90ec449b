import type { Meter } from '@rookery/kernel';
import type { PackageDefinition } from '../proto/load-proto.js';
import type { RpcTls } from '../tls/tls-files.js';
import type { InstanceSource } from './instance-source.js';
import type { RetryBudgetOptions } from './retry-budget.js';

export interface RpcClientOptions {
  /** Name of the service called, as it is registered: for metrics, and the name its certificates must carry. */
  readonly service: string;
  /** Where its replicas are. */
  readonly instances: InstanceSource;
  /** Its interface: of `loadProto`. */
  readonly proto: PackageDefinition;
  /** Milliseconds that a call may take, with all its attempts; less where the request under way has less left. @default 5000 */
  readonly deadlineMs?: number;
  /** Milliseconds after which an attempt of an idempotent call is given up for another one. @default 1500 */
  readonly attemptMs?: number;
  /** Attempts of an idempotent call, the first included. @default 3 */
  readonly maxAttempts?: number;
  readonly retryBudget?: RetryBudgetOptions;
  /** Milliseconds of silence after which a connection in use is asked whether it is there; half of it to answer. @default 2000 */
  readonly keepAliveMs?: number;
  /** @default plain text */
  readonly tls?: RpcTls;
  /** Largest message either way, in bytes. @default 4 MiB */
  readonly maxMessageBytes?: number;
  /** @default nothing is measured */
  readonly meter?: Meter;
  /** Told of TLS files that cannot be used any more. @default nobody is told */
  readonly onError?: (error: unknown) => void;
}

export interface CallOptions {
  /** Milliseconds for this call. @default the client's `deadlineMs` */
  readonly deadlineMs?: number;
  /** Metadata sent along: `{ authorization: 'Token …' }`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Whether to make it twice is as good as once. @default what the interface says (`idempotency_level`), and no if nothing */
  readonly idempotent?: boolean;
}

/** A method as a stub has it. */
export type UnaryMethod<Request = unknown, Response = unknown> = (
  request: Request,
  options?: CallOptions,
) => Promise<Response>;

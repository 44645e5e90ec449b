import {
  Client,
  credentials,
  Metadata,
  status as Status,
  type ChannelCredentials,
  type ServiceError,
} from '@grpc/grpc-js';
import { currentContext, Deadline, noopMeter, type Counter, type Histogram } from '@rookery/kernel';
import { sendContext } from '../call/call-metadata.js';
import { serviceOf, type MethodDefinition } from '../proto/load-proto.js';
import { errorOfStatus } from '../status/error-of-status.js';
import { nameOfStatus } from '../status/status-codes.js';
import { TlsFiles } from '../tls/tls-files.js';
import { targetOf } from './instance-resolver.js';
import { RetryBudget } from './retry-budget.js';
import { waitBeforeRetry } from './retry-policy.js';
import type { CallOptions, RpcClientOptions, UnaryMethod } from './rpc-client.options.js';

type Method = MethodDefinition<object, object>;

const MiB = 1024 * 1024;
/** grpc-js goes by another clock than deadlines, and may find one passed a little before. */
const SLACK_MS = 20;
const IDEMPOTENT: ReadonlySet<unknown> = new Set(['NO_SIDE_EFFECTS', 'IDEMPOTENT']);

/**
 * Calls to one service, over all its replicas by turns.
 *
 * Promises: no call outlives its deadline, nor that of the request it is made for; request id and trace go along; what the
 * server threw is thrown here, by code. Only calls that are idempotent are made again, within a budget.
 */
export class RpcClient {
  private readonly client: Client;
  private readonly budget: RetryBudget;
  private readonly duration: Histogram;
  private readonly retries: Counter;

  private constructor(
    private readonly options: RpcClientOptions,
    channel: ChannelCredentials,
    private readonly tls: TlsFiles | undefined,
    private readonly target: { readonly target: string; readonly release: () => void },
  ) {
    const { meter = noopMeter, keepAliveMs = 2_000, maxMessageBytes = 4 * MiB, retryBudget } = options;
    this.client = new Client(target.target, channel, {
      'grpc.keepalive_time_ms': keepAliveMs,
      'grpc.keepalive_timeout_ms': keepAliveMs / 2,
      // A replica that was restarted is back soon; by default it would be tried after up to two minutes.
      'grpc.initial_reconnect_backoff_ms': 200,
      'grpc.max_reconnect_backoff_ms': 3_000,
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.max_send_message_length': maxMessageBytes,
      'grpc.use_local_subchannel_pool': 1,
    });
    this.budget = new RetryBudget(retryBudget);
    this.duration = meter.histogram({
      name: 'rpc_client_duration_seconds',
      help: 'Time of a call with all its attempts',
      labels: ['service', 'method', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    });
    this.retries = meter.counter({
      name: 'rpc_client_retries_total',
      help: 'Attempts after the first, and those that the budget or the deadline did not allow',
      labels: ['service', 'outcome'],
    });
  }

  /** Does not wait for a connection. @throws RK_RPC_BAD_TLS */
  static async open(options: RpcClientOptions): Promise<RpcClient> {
    const { tls: files, meter = noopMeter, onError = () => undefined } = options;
    const tls = files && (await TlsFiles.open(files, { meter, onError }));
    const channel = tls?.channelCredentials() ?? credentials.createInsecure();
    return new RpcClient(options, channel, tls, targetOf(options.service, options.instances));
  }

  /**
   * The methods of one service of the interface, by their names in lower camel case. Streams have none: they belong to one
   * replica, and whoever reads them has to decide what its loss means.
   * @throws RK_RPC_BAD_PROTO where the interface has no such service
   */
  stub<S extends { readonly [K in keyof S]: UnaryMethod<never> }>(service: string): S {
    const methods = Object.values(serviceOf(this.options.proto, service))
      .filter(({ requestStream, responseStream }) => !requestStream && !responseStream)
      .map((method) => [
        method.originalName,
        (request: object, options?: CallOptions) => this.call(method, request, options),
      ]);
    return Object.fromEntries(methods) as S;
  }

  /** Ends the connections; calls under way fail. */
  async close(): Promise<void> {
    this.client.close();
    this.target.release();
    await this.tls?.close();
  }

  /** By callbacks and one promise: each more is felt in what a call costs. */
  private call(method: Method, request: object, options: CallOptions = {}): Promise<object> {
    const name = method.path.slice(1);
    const startedAt = performance.now();
    const deadline = this.deadlineFor(options);
    const idempotent = options.idempotent ?? IDEMPOTENT.has(method.options?.idempotency_level);
    const { maxAttempts = 3, attemptMs = 1_500 } = this.options;
    const ended = (status: Status): void => this.record(name, status, startedAt);
    return new Promise((resolve, reject) => {
      const attempt = (number: number): void => {
        if (deadline.passed) {
          ended(Status.DEADLINE_EXCEEDED);
          return reject(deadline.exceeded(`waiting to call ${name}`));
        }
        const mayRetry = idempotent && number < maxAttempts;
        // Given up early only where it can be made again.
        const limit = mayRetry && this.budget.hasRoom ? deadline.within(attemptMs) : deadline;
        this.send(method, request, options, limit, (error, response) => {
          if (error === null) {
            ended(Status.OK);
            return resolve(response!);
          }
          const wait = mayRetry ? this.waitAfter(error, number, limit, deadline) : undefined;
          if (wait !== undefined) return void setTimeout(attempt, wait, number + 1);
          ended(error.code);
          reject(errorOfStatus(error, name, deadline));
        });
      };
      this.budget.deposit();
      attempt(1);
    });
  }

  /** Milliseconds until the next attempt; undefined where there is none. */
  private waitAfter(
    error: ServiceError,
    attempt: number,
    limit: Deadline,
    deadline: Deadline,
  ): number | undefined {
    const slow =
      error.code === Status.DEADLINE_EXCEEDED && limit !== deadline && limit.remaining() < SLACK_MS;
    const wait = waitBeforeRetry(error, attempt, slow);
    if (wait === undefined) return undefined;
    const outcome = wait >= deadline.remaining() ? 'no_time' : this.budget.withdraw() ? 'made' : 'no_budget';
    this.retries.add(1, { service: this.options.service, outcome });
    return outcome === 'made' ? wait : undefined;
  }

  private send(
    { path, requestSerialize, responseDeserialize }: Method,
    request: object,
    { metadata: own }: CallOptions,
    deadline: Deadline,
    done: (error: ServiceError | null, response?: object) => void,
  ): void {
    const metadata = new Metadata();
    if (own) for (const [name, value] of Object.entries(own)) metadata.set(name, value);
    sendContext(metadata, currentContext());
    this.client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      { deadline: Date.now() + Math.max(0, deadline.remaining()) },
      done,
    );
  }

  private record(method: string, status: Status, startedAt: number): void {
    this.duration.observe((performance.now() - startedAt) / 1000, {
      service: this.options.service,
      method,
      status: nameOfStatus(status),
    });
  }

  private deadlineFor({ deadlineMs = this.options.deadlineMs ?? 5_000 }: CallOptions): Deadline {
    return currentContext()?.deadline.within(deadlineMs) ?? Deadline.after(deadlineMs);
  }
}

import {
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServiceError,
} from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { ServerGrpc, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import { firstValueFrom, isObservable } from 'rxjs';
import { rpcErrors } from '../rpc.errors.js';
import { serviceNames } from '../proto/load-proto.js';
import { TlsFiles } from '../tls/tls-files.js';
import { CallInterceptor } from './call-interceptor.js';
import { HealthService, healthProto } from './health-service.js';
import { OwnListener } from './own-listener.js';
import type { ResolvedRpcServerOptions } from './rpc.options.js';

/** Time after which a connection that says nothing is asked whether it is there, and how long it may take to say so. */
const KEEPALIVE = { 'grpc.keepalive_time_ms': 20_000, 'grpc.keepalive_timeout_ms': 10_000 };

/**
 * Nest's gRPC transport with what it lacks: contexts and deadlines, health, reflection, TLS from files, and a stop that
 * loses no call. It takes calls only once all services are there.
 */
export class RpcServer extends ServerGrpc implements CustomTransportStrategy {
  private readonly health: HealthService;
  private readonly server: Server;
  private tls: TlsFiles | undefined;
  private own: OwnListener | undefined;
  private closing: Promise<void> | undefined;
  private bound: string | undefined;
  private hooked = false;

  constructor(private readonly settings: ResolvedRpcServerOptions) {
    super({
      package: [...settings.packages],
      packageDefinition: settings.proto,
    });
    const { maxMessageBytes } = settings;
    this.health = new HealthService(this.servedNames());
    this.server = new Server({
      interceptors: [new CallInterceptor(settings).intercept],
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.max_send_message_length': maxMessageBytes,
      ...KEEPALIVE,
    });
    this.grpcClient = this.server;
  }

  /** `127.0.0.1:50051`; undefined until it listens. */
  get address(): string | undefined {
    return this.bound;
  }

  override async listen(callback: (error?: unknown) => void): Promise<void> {
    try {
      await this.bindEvents();
      this.health.addTo(this.server);
      if (this.settings.reflection) {
        new ReflectionService({ ...this.settings.proto, ...healthProto }).addToServer(this.server);
      }
      await this.bind();
    } catch (error) {
      await this.tls?.close();
      callback(error);
      return;
    }
    callback();
  }

  /** Says by `grpc.health.v1` that nothing new is taken; what comes is still answered. */
  stopServing(): void {
    this.health.stopServing();
  }

  /**
   * Answers what is under way, takes nothing new, and cuts what has not ended after `limitMs`. Safe to call twice.
   * @param limitMs milliseconds. @default the option `drainMs`
   */
  drain(limitMs: number = this.settings.drainMs): Promise<void> {
    this.closing ??= this.shutDown(limitMs);
    return this.closing;
  }

  /** With the application: calls have drained by then, or drain now. */
  override async close(): Promise<void> {
    await this.drain();
  }

  /** Ends every call under way at once. */
  cut(): void {
    this.own?.close();
    this.server.forceShutdown();
  }

  override unwrap<T>(): T {
    return this.server as T;
  }

  /**
   * A handler's answer as it comes: Nest's own way makes a copy of the call, an observable and four promises of each, for
   * hooks of instrumentation. Where such hooks are set, it is Nest's way.
   */
  override createUnaryServiceMethod(methodHandler: MessageHandler): Function {
    const withHooks = super.createUnaryServiceMethod(methodHandler);
    // Handlers of gRPC are given the call, too, which the general type does not say.
    const handle = methodHandler as (...given: unknown[]) => Promise<unknown>;
    return (call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>): unknown => {
      if (this.hooked) return withHooks(call, answer) as unknown;
      handle(call.request, call.metadata, call).then(
        (given) => {
          if (isObservable(given)) firstValueFrom(given).then((value) => answer(null, value), answer);
          else answer(null, given);
        },
        (error: ServiceError) => answer(error),
      );
      return undefined;
    };
  }

  override setOnProcessingStartHook(...hook: Parameters<ServerGrpc['setOnProcessingStartHook']>): void {
    this.hooked = true;
    super.setOnProcessingStartHook(...hook);
  }

  override setOnProcessingEndHook(...hook: Parameters<ServerGrpc['setOnProcessingEndHook']>): void {
    this.hooked = true;
    super.setOnProcessingEndHook(...hook);
  }

  private async shutDown(limitMs: number): Promise<void> {
    this.health.stopServing();
    this.health.endWatches();
    this.own?.close();
    const limit = setTimeout(() => this.server.forceShutdown(), limitMs);
    try {
      // Its error says that it was not listening: then it has stopped.
      await new Promise<void>((resolve) => this.server.tryShutdown(() => resolve()));
    } finally {
      clearTimeout(limit);
      await this.tls?.close();
    }
  }

  private async bind(): Promise<void> {
    const { host, port, exclusive, tls } = this.settings;
    if (tls) this.tls = await TlsFiles.open(tls, this.settings);
    const credentials = this.tls?.serverCredentials() ?? ServerCredentials.createInsecure();
    const wanted = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const given = await (
      exclusive ? this.listenAlone(credentials) : this.listenAsWorkersDo(wanted, credentials)
    ).catch((cause: Error) => {
      throw rpcErrors.create('LISTEN_FAILED', { data: { address: wanted, reason: cause.message }, cause });
    });
    this.bound = wanted.replace(/\d+$/, String(given));
  }

  private async listenAlone(credentials: ServerCredentials): Promise<number> {
    this.own = await OwnListener.open(this.server, credentials, this.settings);
    return this.own.port;
  }

  private listenAsWorkersDo(wanted: string, credentials: ServerCredentials): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.bindAsync(wanted, credentials, (error, port) => (error ? reject(error) : resolve(port)));
    });
  }

  private servedNames(): string[] {
    const { proto, packages } = this.settings;
    return serviceNames(proto).filter((name) => packages.some((prefix) => name.startsWith(`${prefix}.`)));
  }
}

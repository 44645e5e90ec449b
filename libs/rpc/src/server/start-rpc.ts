import type { INestApplication } from '@nestjs/common';
import type { MicroserviceOptions, NestMicroservice } from '@nestjs/microservices';
import { noopMeter } from '@rookery/kernel';
import { RpcErrorFilter } from './rpc-error.filter.js';
import { RpcServer } from './rpc.server.js';
import type { ResolvedRpcServerOptions, RpcServerOptions } from './rpc.options.js';

const MiB = 1024 * 1024;

/**
 * Serves the application's `@GrpcMethod` controllers by gRPC, beside what else it serves. Call it once the application is
 * initialised; it ends with the application at the latest.
 * @throws RK_RPC_LISTEN_FAILED, RK_RPC_BAD_TLS
 */
export async function startRpc(app: INestApplication, options: RpcServerOptions): Promise<RpcServer> {
  const settings = settled(options);
  const server = new RpcServer(settings);
  // Deferred, or Nest would bind the handlers before the filter is there. The hooks are the application's own.
  const microservice = app.connectMicroservice<MicroserviceOptions>(
    { strategy: server },
    { deferInitialization: true },
  ) as NestMicroservice;
  microservice.setIsInitHookCalled(true);
  microservice.useGlobalFilters(new RpcErrorFilter(settings.onError));
  await microservice.listen();
  return server;
}

export function settled(options: RpcServerOptions): ResolvedRpcServerOptions {
  return {
    host: '127.0.0.1',
    exclusive: false,
    deadlineMs: 5_000,
    maxMessageBytes: 4 * MiB,
    reflection: true,
    drainMs: 10_000,
    meter: noopMeter,
    onCallDone: () => undefined,
    onError: () => undefined,
    ...options,
    tls: options.tls,
  };
}

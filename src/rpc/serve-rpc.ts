import type { INestApplication } from '@nestjs/common';
import type { Meter } from '@rookery/kernel';
import type { RookeryLogger } from '@rookery/observability';
import { loadProto, startRpc, type RpcServer } from '@rookery/rpc';
import type { Config } from '../config/index.js';

export interface ServeRpcOptions {
  readonly config: Config;
  readonly logger: RookeryLogger;
  readonly meter: Meter;
}

/** Where the interface stands, beside this file in the sources and in what is built of them. */
const PROTO = new URL('./proto/conduit.proto', import.meta.url);

/**
 * Serves articles and profiles to other services; `undefined` where the configuration does not ask for it. Undo it by
 * `stopServing` and `drain`, in the order of the site's stop.
 * @throws RK_RPC_LISTEN_FAILED, RK_RPC_BAD_TLS
 */
export async function serveRpc(
  app: INestApplication,
  { config, logger, meter }: ServeRpcOptions,
): Promise<RpcServer | undefined> {
  const { grpc } = config;
  if (grpc === undefined) return undefined;
  const log = logger.named('Rpc');
  const server = await startRpc(app, {
    proto: loadProto(PROTO),
    packages: ['conduit.v1'],
    host: grpc.host,
    port: grpc.port,
    // Each worker is called at a port of its own, or callers would be served by one of them.
    exclusive: config.workers > 1,
    deadlineMs: config.requestDeadlineMs,
    ...(grpc.tls ? { tls: grpc.tls } : {}),
    meter,
    onCallDone: ({ method, status, ...call }) =>
      log.info({ ...call, durationMs: Math.round(call.durationMs * 10) / 10 }, `${method} ${status}`),
    onError: (error, method) => log.error({ err: error }, `${method} failed`),
  });
  logger.log(`gRPC is served on ${server.address}`, 'Rpc');
  return server;
}

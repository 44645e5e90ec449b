import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { Server, ServerCredentials, type handleUnaryCall } from '@grpc/grpc-js';
import { serviceOf } from '../proto/load-proto.js';
import { echoProto, type Words } from './echo.js';

export type EchoHandler = handleUnaryCall<Words, Words>;

/** A server in plain grpc-js that answers as a test wants it. */
export interface PlainEcho {
  readonly address: string;
  /** How many calls came. */
  readonly calls: () => number;
  readonly stop: () => void;
}

export async function plainEcho(handler: EchoHandler, port = 0): Promise<PlainEcho> {
  let calls = 0;
  const counted: EchoHandler = (call, answer) => {
    calls += 1;
    handler(call, answer);
  };
  const server = new Server();
  server.addService(serviceOf(echoProto(), 'echo.v1.Echo'), { Say: counted, Write: counted });
  const given = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, there) =>
      error ? reject(error) : resolve(there),
    ),
  );
  return { address: `127.0.0.1:${given}`, calls: () => calls, stop: () => server.forceShutdown() };
}

/** The way to a server, which can be frozen: connections stay, and nothing goes through, as when a process is stopped. */
export interface FreezableWay {
  readonly address: string;
  freeze(): void;
  close(): void;
}

export async function freezableWay(to: string): Promise<FreezableWay> {
  const [host, port] = to.split(':') as [string, string];
  const sockets = new Set<Socket>();
  let frozen = false;
  const server = createServer((near) => {
    const far = connect(Number(port), host);
    for (const [from, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (chunk) => frozen || other.write(chunk));
      from.on('error', () => undefined);
      from.on('close', () => frozen || other.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    freeze: () => (frozen = true),
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

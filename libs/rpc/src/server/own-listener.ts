import { createServer, type AddressInfo, type Server as NetServer } from 'node:net';
import type { Server, ServerCredentials } from '@grpc/grpc-js';

/**
 * A port that belongs to one process, although it may be a worker of `node:cluster`: those share each port that grpc-js
 * listens on, even one that was to be any, and connections go to one of them and stay there.
 */
export class OwnListener {
  private constructor(
    private readonly listener: NetServer,
    readonly port: number,
  ) {}

  /** @throws what Node says where it cannot listen */
  static async open(
    server: Server,
    credentials: ServerCredentials,
    { host, port }: { readonly host: string; readonly port: number },
  ): Promise<OwnListener> {
    const listener = createServer();
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen({ host, port, exclusive: true }, () => {
        listener.off('error', reject);
        resolve();
      });
    });
    // Only now: the server would have to be rid of it again.
    const injector = server.createConnectionInjector(credentials);
    listener.on('connection', (connection) => injector.injectConnection(connection));
    return new OwnListener(listener, (listener.address() as AddressInfo).port);
  }

  /** Takes no connection from now on. Those that are there are the server's. */
  close(): void {
    this.listener.close();
  }
}

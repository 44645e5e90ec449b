import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface SlowProxy {
  readonly url: string;
  /** Each packet from the server waits so long; order is kept. */
  delayMs: number;
  /** What either says is lost, and nobody is told. */
  silent: boolean;
  close(): Promise<void>;
}

/** Stands before a Redis and hands its answers on late. */
export async function slowProxy(port: number): Promise<SlowProxy> {
  const sockets = new Set<Socket>();
  const proxy = { url: '', delayMs: 0, silent: false, close };
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => (client.destroy(), upstream.destroy(), sockets.delete(socket)));
    }
    client.on('data', (data) => void (proxy.silent || upstream.write(data)));
    let before = Promise.resolve();
    upstream.on('data', (data) => {
      if (proxy.silent) return;
      const wait = new Promise((resolve) => setTimeout(resolve, proxy.delayMs));
      before = before.then(() => wait).then(() => void client.write(data));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy.url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return proxy;

  async function close(): Promise<void> {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  }
}

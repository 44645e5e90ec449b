import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { HOST } from './server-properties.js';

/**
 * Below what systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere): there, a client that calls a
 * broker which is away may be given the broker's own port and so reach itself, and the broker finds its port taken.
 */
const FIRST = 12_000;
const LAST = 32_000;

/** `count` different ports that nobody listens on. Another process may still take one before it is used. */
export async function freePorts(count: number): Promise<number[]> {
  const held = new Map<number, Server>();
  try {
    while (held.size < count) {
      const port = randomInt(FIRST, LAST);
      const server = await listen(port);
      if (server !== undefined) held.set(port, server);
    }
    return [...held.keys()];
  } finally {
    await Promise.all([...held.values()].map(close));
  }
}

/** `undefined` where the port is taken. */
function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen({ port, host: HOST, exclusive: true }, () => resolve(server));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

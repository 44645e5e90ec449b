import type { Server } from 'node:http';
import type { Socket } from 'node:net';

const SWEEP_MS = 50;

/**
 * Closes a server without waiting for connections that carry no request: one idle keep-alive connection stretches a plain
 * close to its keep-alive time, and one that was opened ahead of need to the header time-out.
 */
export class ServerCloser {
  private readonly sockets = new Set<Socket>();
  private closing: Promise<void> | undefined;

  constructor(private readonly server: Server) {
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  /** `close` must stop listening and resolve once no connection is left. */
  close(limitMs: number, close: () => Promise<void>): Promise<void> {
    this.closing ??= this.closeOnce(limitMs, close);
    return this.closing;
  }

  private async closeOnce(limitMs: number, close: () => Promise<void>): Promise<void> {
    const sweep = setInterval(() => this.closeIdle(), SWEEP_MS);
    const limit = setTimeout(() => this.server.closeAllConnections(), limitMs);
    try {
      const closed = close();
      this.closeIdle();
      await closed;
    } finally {
      clearInterval(sweep);
      clearTimeout(limit);
    }
  }

  private closeIdle(): void {
    this.server.closeIdleConnections();
    // Node counts a connection that never sent a byte as busy with its first request.
    for (const socket of this.sockets) if (socket.bytesRead === 0) socket.destroy();
  }
}

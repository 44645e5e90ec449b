import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import type { ComponentStatus } from './running-cluster.js';

/** What may be asked of a running cluster, as one line of JSON. */
const request = z.discriminatedUnion('command', [
  z.object({ command: z.literal('status') }),
  z.object({ command: z.literal('scale'), replicas: z.int() }),
  z.object({ command: z.literal('roll') }),
  z.object({ command: z.literal('kill'), replica: z.string() }),
]);
export type ControlRequest = z.infer<typeof request>;

/** What it says to that: lines while it is at work, and then one of the others. */
const answer = z.union([
  z.object({ line: z.string() }),
  z.object({ error: z.string() }),
  z.object({ done: z.literal(true), status: z.array(z.unknown()).optional() }),
]);

export type ControlHandler = (
  asked: ControlRequest,
  say: (line: string) => void,
) => Promise<readonly ComponentStatus[] | undefined>;

/** No path of a socket may be longer than some hundred bytes: the shorter of the two ways to write it. */
function socketIn(folder: string): string {
  const path = resolve(join(folder, 'control.sock'));
  const short = relative(process.cwd(), path);
  return short.length < path.length ? short : path;
}

/** Whether a cluster answers on this folder. */
export async function isControlled(folder: string): Promise<boolean> {
  const socket = connect(socketIn(folder));
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Takes commands for the cluster of this folder, from this user. A socket that was left behind is replaced. */
export async function serveControl(folder: string, handle: ControlHandler): Promise<() => Promise<void>> {
  const path = socketIn(folder);
  await rm(path, { force: true });
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // Whoever asked has gone; what was asked for goes on.
    socket.on('error', () => socket.destroy());
    createInterface({ input: socket }).on('line', (line) => void serve(socket, line, handle));
  });
  server.listen(path);
  await once(server, 'listening');
  return async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((done) => server.close(() => done()));
  };
}

async function serve(socket: Socket, line: string, handle: ControlHandler): Promise<void> {
  const write = (what: z.infer<typeof answer>): void => {
    if (!socket.destroyed) socket.write(`${JSON.stringify(what)}\n`);
  };
  try {
    const asked = request.parse(JSON.parse(line));
    const status = await handle(asked, (said) => write({ line: said }));
    write({ done: true, ...(status && { status: [...status] }) });
  } catch (error) {
    write({ error: error instanceof Error ? error.message : String(error) });
  }
  socket.end();
}

/**
 * Asks the cluster of this folder; `say` gets what it says meanwhile.
 * @throws where none runs, and with what it answers where it refuses
 */
export async function askCluster(
  folder: string,
  asked: ControlRequest,
  say: (line: string) => void,
): Promise<readonly ComponentStatus[]> {
  const socket = connect(socketIn(folder));
  await once(socket, 'connect').catch((cause: unknown) => {
    throw new Error(`no cluster runs on ${folder}: start one by npm run cluster`, { cause });
  });
  socket.write(`${JSON.stringify(asked)}\n`);
  for await (const line of createInterface({ input: socket })) {
    const said = answer.parse(JSON.parse(line));
    if ('line' in said) say(said.line);
    else if ('error' in said) throw new Error(said.error);
    else return (said.status ?? []) as readonly ComponentStatus[];
  }
  throw new Error('the cluster has ended before it was done');
}

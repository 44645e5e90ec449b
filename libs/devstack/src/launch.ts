import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';
import type { Cluster } from './cluster.js';

export interface Paths {
  readonly data: string;
  readonly passwordFile: string;
}

export interface Ended {
  readonly code: number | null;
  /** Of the streams that were pipes. */
  readonly said: string;
}

/** Runs a program of PostgreSQL on `folder` of the cluster to its end. */
export async function runToEnd(
  cluster: Cluster,
  folder: string,
  command: (paths: Paths) => readonly string[],
): Promise<Ended> {
  return (await start(cluster, folder, command, 'pipe', 'pipe')).end;
}

/** `$!` is the pid of what runs in the background, and the shell ends at once. */
const LEAVE_IN_BACKGROUND = '"$0" "$@" 1>&2 & echo $!';

/**
 * Starts a program that outlives this process, and returns its pid. A session of its own keeps Ctrl-C in a terminal from it;
 * a parent that ends at once keeps it out of this process's family, since tools that restart a site in development kill
 * that family, the server with it.
 */
export async function runDetached(
  cluster: Cluster,
  folder: string,
  command: (paths: Paths) => readonly string[],
  log: number,
): Promise<number> {
  if (process.platform === 'win32') {
    const { child } = await start(cluster, folder, command, log, log);
    child.unref();
    return child.pid!;
  }
  const inShell = (paths: Paths) => ['/bin/sh', '-c', LEAVE_IN_BACKGROUND, ...command(paths)];
  const shell = await start(cluster, folder, inShell, 'pipe', log);
  return Number((await shell.end).said);
}

/**
 * Where the server's user may not enter a folder above, the data folder is handed over as an open descriptor and named
 * `/proc/self/fd/N`: PostgreSQL changes into it once and goes by relative paths from then on, and its children inherit the
 * descriptor. So a checkout under /root needs neither looser modes nor a second place for its data.
 */
async function start(
  cluster: Cluster,
  folder: string,
  command: (paths: Paths) => readonly string[],
  stdout: number | 'pipe',
  stderr: number | 'pipe',
): Promise<{ child: ChildProcess; end: Promise<Ended> }> {
  const held: FileHandle[] = [];
  try {
    if (cluster.closed !== undefined) {
      for (const path of [folder, cluster.passwordFile]) held.push(await open(path, 'r'));
    }
    const [program, ...args] = command(
      held.length > 0
        ? { data: '/proc/self/fd/3', passwordFile: '/proc/self/fd/4' }
        : { data: folder, passwordFile: cluster.passwordFile },
    );
    const child = spawn(program!, args, {
      detached: true,
      stdio: ['ignore', stdout, stderr, ...held.map((handle) => handle.fd)],
      cwd: '/',
      ...(process.platform === 'win32' ? {} : { env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' } }),
      ...(cluster.user ? { uid: cluster.user.uid, gid: cluster.user.gid } : {}),
    });
    // Listened to before anything is awaited: what a child that has ended said is thrown away.
    const end = endOf(child);
    await once(child, 'spawn');
    return { child, end };
  } finally {
    await Promise.all(held.map((handle) => handle.close()));
  }
}

function endOf(child: ChildProcess): Promise<Ended> {
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, said })));
}

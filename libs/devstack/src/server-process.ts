import { execFile } from 'node:child_process';
import { readFile, readlink, realpath, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Cluster } from './cluster.js';
import { devstackErrors } from './devstack.errors.js';
import { identityOf, stillRuns, type ProcessIdentity } from './process-identity.js';

export interface RunningServer extends ProcessIdentity {
  readonly port: number;
}

const POLL_MS = 20;

/**
 * The server that runs on this data folder, whoever started it. A pid file is removed when its process is dead, a zombie
 * (which PostgreSQL takes for a living server, for ever in a container whose first process reaps nobody), or some other
 * program that was given a dead server's pid. What a killed server's sessions still hold on to, PostgreSQL sees by itself.
 */
export async function findRunning(cluster: Cluster): Promise<RunningServer | undefined> {
  const pidFile = join(cluster.data, 'postmaster.pid');
  const lines = (await readFile(pidFile, 'utf8').catch(() => '')).split('\n');
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  const identity = await identityOf(pid);
  if (!identity || !(await isServerOf(cluster, pid))) {
    await rm(pidFile, { force: true });
    return undefined;
  }
  return { ...identity, port };
}

async function isServerOf(cluster: Cluster, pid: number): Promise<boolean> {
  if (process.platform === 'linux') {
    const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    return name.trim() === 'postgres' && cwd === (await realpath(cluster.data));
  }
  if (process.platform === 'win32') return true;
  const shown = await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)]).catch(() => undefined);
  return shown?.stdout.includes(cluster.data) ?? false;
}

/** The last port if it is free, so that clients of a server that was killed find the next one; else any free one. */
export async function freePort(wanted: number | undefined): Promise<number> {
  return (wanted === undefined ? undefined : await tryPort(wanted)) ?? (await tryPort(0))!;
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const found = (server.address() as AddressInfo).port;
      server.close(() => resolve(found));
    });
  });
}

/**
 * Fast shutdown: sessions are ended, everything is written, nothing is left to recover. If that takes too long, immediate
 * shutdown, which the next start recovers from without loss.
 */
export async function stopServer(cluster: Cluster, server: ProcessIdentity, limitMs = 8_000): Promise<void> {
  signal(server.pid, 'SIGINT');
  if (await gone(server, limitMs)) return;
  signal(server.pid, 'SIGQUIT');
  if (await gone(server, 5_000)) return;
  throw devstackErrors.create('STOP_TIMEOUT', {
    data: { pid: server.pid, seconds: Math.round((limitMs + 5_000) / 1000), log: cluster.log },
  });
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function gone(server: ProcessIdentity, limitMs: number): Promise<boolean> {
  const until = performance.now() + limitMs;
  while (await stillRuns(server)) {
    if (performance.now() > until) return false;
    await delay(POLL_MS);
  }
  return true;
}

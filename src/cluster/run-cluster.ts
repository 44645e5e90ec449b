import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadConfig } from '../config/index.js';
import type { ClusterOptions } from './cluster.options.js';
import { isControlled, serveControl, type ControlRequest } from './control.js';
import { RunningCluster, type ClusterSurroundings, type ComponentStatus } from './running-cluster.js';

export interface ClusterRun {
  /** What there is to know for people, once it runs. */
  readonly ready: string;
  /** In order; again, or in a hurry: what is under way is cut. Leaves no process, port or temporary folder behind. */
  stop(options?: { readonly hurry?: boolean }): Promise<void>;
}

export interface ClusterRunOptions extends Omit<ClusterSurroundings, 'folder'> {
  /** Aborted: stop; what has been started so far is stopped, too, and `runCluster` rejects. */
  readonly signal: AbortSignal;
  /** Aborted: hurry with that. */
  readonly hurry: AbortSignal;
}

/** Where data and the control socket of the cluster of this checkout are. */
export function clusterFolder(dataDir: string): string {
  return join(dataDir, 'cluster');
}

/** Starts the cluster, and the socket by which it takes commands. @throws in one line, when nothing of it is left */
export async function runCluster(options: ClusterRunOptions): Promise<ClusterRun> {
  const { options: asked, environment, signal, hurry } = options;
  signal.throwIfAborted();
  const folder = asked.temporary
    ? await mkdtemp(join(tmpdir(), 'rookery-cluster-'))
    : resolve(clusterFolder(dataDirOf(environment)));
  await mkdir(folder, { recursive: true });
  if (await isControlled(folder))
    throw new Error(`a cluster runs on ${folder} already: npx rookery cluster status`);
  await checkPorts(asked);
  const cluster = new RunningCluster({ ...options, folder });
  let endControl: (() => Promise<void>) | undefined;
  const stop = async (how: { readonly hurry?: boolean } = {}): Promise<void> => {
    await endControl?.();
    await cluster.stop(how);
    if (asked.temporary) await rm(folder, { recursive: true, force: true });
  };
  signal.addEventListener('abort', () => void cluster.stop().catch(() => undefined));
  hurry.addEventListener('abort', () => void cluster.stop({ hurry: true }).catch(() => undefined));
  try {
    signal.throwIfAborted();
    endControl = await serveControl(folder, (request, say) => obey(cluster, request, say, options.say));
    await cluster.start();
    signal.throwIfAborted();
  } catch (error) {
    await stop();
    throw error;
  }
  const data = asked.temporary ? ` · data and logs in ${folder}` : '';
  return { ready: `Conduit is ready on ${cluster.url}/api · docs ${cluster.url}/docs${data}`, stop };
}

/** Of all the configuration; the rest of it is the replicas'. */
function dataDirOf({ DATA_DIR }: NodeJS.ProcessEnv): string {
  return loadConfig(DATA_DIR ? { DATA_DIR } : {}, false).dataDir;
}

async function obey(
  cluster: RunningCluster,
  asked: ControlRequest,
  say: (line: string) => void,
  log: (line: string) => void,
): Promise<readonly ComponentStatus[] | undefined> {
  if (asked.command === 'status') return cluster.status();
  const end = cluster.listen(say);
  try {
    if (asked.command === 'kill') await cluster.kill(asked.replica);
    else {
      log(asked.command === 'roll' ? 'rolling all replicas' : `scaling to ${asked.replicas} replicas`);
      await (asked.command === 'roll' ? cluster.roll() : cluster.scale(asked.replicas));
    }
  } finally {
    end();
  }
  return cluster.status();
}

/** Before anything is started. @throws saying which is taken */
async function checkPorts({ port, haproxy }: ClusterOptions): Promise<void> {
  for (const wanted of port === 0 ? [] : [port, ...(haproxy ? [port + 1] : [])]) {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', () => reject(new Error(`port ${wanted} is taken: --port takes another`)));
      server.listen(wanted, '127.0.0.1', () => server.close(() => resolve()));
    });
  }
}

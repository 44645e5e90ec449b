import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { RunningCluster } from '../src/cluster/index.js';
import { DIST } from './databases.js';

type SystemPrograms = typeof import('../scripts/system-programs.mjs');

export interface BenchCluster {
  readonly cluster: RunningCluster;
  /** What it says of itself, line by line. */
  readonly said: readonly string[];
  close(): Promise<void>;
}

/** What `npm run cluster -- --replicas N --shards 4 --kafka --redis` starts, on free ports and data that is not kept. */
export async function benchCluster(replicas: number): Promise<BenchCluster> {
  const root = join(DIST, '..');
  const script = pathToFileURL(join(root, 'scripts/system-programs.mjs')).href;
  const { kafkaJars, provide } = (await import(script)) as SystemPrograms;
  await provide(['kafka']);
  const folder = await mkdtemp(join(tmpdir(), 'rookery-bench-cluster-'));
  // PostgreSQL and Nginx are other users' processes.
  await chmod(folder, 0o755);
  const said: string[] = [];
  const cluster = new RunningCluster({
    options: {
      replicas,
      shards: 4,
      kafka: true,
      redis: true,
      haproxy: false,
      port: 0,
      temporary: true,
      install: false,
      help: false,
    },
    folder,
    root,
    environment: { PATH: process.env['PATH'], LOG_LEVEL: 'warn' },
    kafkaJars: kafkaJars(),
    say: (line) => said.push(line),
  });
  const close = async (): Promise<void> => {
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await cluster.start();
    return { cluster, said, close };
  } catch (error) {
    await close();
    throw error;
  }
}

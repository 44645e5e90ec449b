import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DIST } from './databases.js';

export const JWT_SECRET = 'a secret for benchmarks, of 32 characters';

export interface RunningServer {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

/** Conduit as `npm start` runs it, in a process of its own. */
export async function startConduit(
  urls: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<RunningServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'rookery-bench-site-'));
  const server = await start(
    ['src/main.js'],
    {
      NODE_ENV: 'production',
      PORT: '0',
      OPS_PORT: '0',
      DATA_DIR: dataDir,
      DRAIN_DELAY_MS: '0',
      SHARD_URLS: urls.join(','),
      JWT_SECRET,
      LOG_LEVEL: 'warn',
      // What is measured is how answers are made; the scenarios of the cache turn it on.
      CACHE: 'off',
      ...environment,
    },
    ['--max-old-space-size=256'],
  );
  return {
    ...server,
    stop: async () => {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A server of `dist` that prints a line with its address. */
export async function start(
  [script, ...args]: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  flags: readonly string[] = [],
): Promise<RunningServer> {
  const child = spawn(process.execPath, [...flags, join(DIST, script!), ...args], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return { pid: child.pid!, port: await portOf(child, script!), stop: () => stop(child, ended) };
}

function portOf(child: ChildProcess, script: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('close', (code) => reject(new Error(`${script} ended with ${code} before it was ready`)));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const port = /http:\/\/127\.0\.0\.1:(\d+)\/api/.exec(line)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
  });
}

async function stop(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill('SIGTERM');
  const limit = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(limit);
}

import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { ClusterParts, RunningCluster } from '../../../src/cluster/index.js';
import { until } from '../../support/until.js';
import type { PostgresSite } from '../postgres-site.js';

const run = promisify(execFile);

export interface Windows {
  /** Milliseconds for which a server is away, or a replica lacks something. */
  readonly awayMs: number;
  /** Milliseconds for which a replica stands still. */
  readonly frozenMs: number;
}

export interface Trouble {
  readonly clockMs?: number;
  readonly memory?: boolean;
}

/** What a fault has before it: a running site, all that it stands on, and its replicas by number. */
export class EdgeScene {
  constructor(
    readonly cluster: RunningCluster,
    /** The server of the one shard that is not on the cluster's PostgreSQL. */
    readonly shard: PostgresSite,
    readonly windows: Windows,
    private readonly troubleFile: string,
  ) {}

  get parts(): ClusterParts {
    return this.cluster.parts;
  }

  get url(): string {
    return this.cluster.url;
  }

  /** @throws where it does not run */
  async pidOf(replica: number): Promise<number> {
    const all = await this.cluster.status();
    const pid = all.find(({ component }) => component === `replica-${replica}`)?.pid;
    if (pid === undefined) throw new Error(`replica ${replica} does not run`);
    return pid;
  }

  async trouble(replica: number, trouble: Trouble): Promise<void> {
    await writeFile(this.troubleFile, JSON.stringify(trouble));
    process.kill(await this.pidOf(replica), 'SIGUSR2');
  }

  /** Resolves when another process has the place of the one with this pid. */
  async replaced(replica: number, pid: number): Promise<void> {
    const isOther = async (): Promise<boolean> => {
      const all = await this.cluster.status();
      const there = all.find(({ component }) => component === `replica-${replica}`);
      return there?.pid !== undefined && there.pid !== pid;
    };
    await until(`another process in the place of replica ${replica}`, isOther, 60_000);
  }

  /** `http://host:port`, without Nginx in between. */
  async addressOf(replica: number): Promise<string> {
    const all = await this.cluster.status();
    return `http://${all.find(({ component }) => component === `replica-${replica}`)!.address}`;
  }

  /** Runs `work` while the replica can open no file and no connection beyond those it has. */
  async withoutDescriptors(replica: number, work: () => Promise<void>): Promise<void> {
    const pid = String(await this.pidOf(replica));
    const limit = async (soft: string): Promise<void> =>
      void (await run('prlimit', ['--pid', pid, `--nofile=${soft}:`]));
    const asked = ['--pid', pid, '--nofile', '--output=SOFT', '--noheadings', '--raw'];
    const before = (await run('prlimit', asked)).stdout.trim();
    await limit(String(lowestFree(readdirSync(`/proc/${pid}/fd`))));
    try {
      await work();
    } finally {
      await limit(before);
    }
  }
}

/** Of the numbers from 0 on. */
function lowestFree(taken: readonly string[]): number {
  const numbers = new Set(taken.map(Number));
  let free = 0;
  while (numbers.has(free)) free += 1;
  return free;
}

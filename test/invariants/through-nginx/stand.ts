import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildIfStale, root } from '../../../scripts/build-if-stale.mjs';
import { kafkaJars } from '../../../scripts/system-programs.mjs';
import { RunningCluster } from '../../../src/cluster/index.js';
import { discrepancies, readModelFaults, unhandled } from '../../support/leftovers.js';
import { closeShards, openShards } from '../../support/footprint.js';
import { until } from '../../support/until.js';
import { PostgresSite } from '../postgres-site.js';
import { cast, register, type Person } from './cast.js';
import { CheckedTraffic } from './checked-traffic.js';
import type { EdgeFault } from './fault.js';
import type { Ledger } from './ledger.js';
import { longestWindowMs, slowestMs, type Outcome } from './outcomes.js';
import type { EdgeReport } from './report.js';
import { EdgeScene, type Windows } from './scene.js';

export interface EdgeStandOptions extends Windows {
  /** Of the traffic. @default 1 */
  readonly rate?: number;
}

const SHARDS = 4;
/** The place of the shard that has a server of its own: not the first, where the slot map is. */
const OWN_SHARD = 2;
const REPLICAS = 3;
const SETTLED_MS = 1_500;
const LOOK_AGAIN_MS = 200;
/** Machines that try this do other things as well. */
const RECOVERY_LIMIT_MS = 90_000;
const CATCH_UP_LIMIT_MS = 60_000;

/** Where faults are tried out: the site as `npm run cluster` starts it, with one shard on a PostgreSQL of its own. */
export class EdgeStand {
  private readonly undo: (() => Promise<void>)[] = [];
  private readonly ledgers: Ledger[] = [];
  private scene!: EdgeScene;
  private people: readonly Person[] = [];
  /** Who lives on another shard than the one with a server of its own. */
  private elsewhere: readonly Person[] = [];

  private constructor(private readonly options: EdgeStandOptions) {}

  /** @throws with what failed; nothing is left behind then */
  static async start(options: EdgeStandOptions): Promise<EdgeStand> {
    const stand = new EdgeStand(options);
    try {
      await stand.build();
      return stand;
    } catch (error) {
      await stand.stop();
      throw error;
    }
  }

  private async build(): Promise<void> {
    await buildIfStale();
    const folder = await mkdtemp(join(tmpdir(), 'through-nginx-'));
    this.undo.push(() => rm(folder, { recursive: true, force: true }));
    // PostgreSQL and Nginx are other users' processes.
    await chmod(folder, 0o755);
    const shard = await PostgresSite.start();
    this.undo.push(() => shard.stop());
    const template = { name: 'shard', prepare: () => Promise.resolve() };
    const { urls } = await shard.databases({ count: 1, template });
    const troubleFile = join(folder, 'trouble.json');
    const cluster = new RunningCluster({
      options: {
        ...{ replicas: REPLICAS, shards: SHARDS, kafka: true, redis: true, haproxy: false, port: 0 },
        ...{ temporary: true, install: false, help: false },
      },
      otherShards: { [OWN_SHARD]: urls[0]! },
      folder: join(folder, 'cluster'),
      root,
      kafkaJars: kafkaJars(),
      environment: {
        PATH: process.env['PATH'],
        NODE_OPTIONS: `--import=${pathToFileURL(join(root, 'test/invariants/through-nginx/misbehave.mjs')).href}`,
        TROUBLE_FILE: troubleFile,
        // Nginx takes a draining replica out in time, even where its agent is held up for seconds.
        DRAIN_DELAY_MS: '4000',
        // What is shown at once is shown late on a busy machine, and it is faults that this is about.
        REQUEST_DEADLINE_MS: '12000',
        READ_AFTER_WRITE_MS: '4000',
      },
      say: () => undefined,
    });
    this.undo.push(() => cluster.stop());
    await cluster.start();
    this.scene = new EdgeScene(cluster, shard, this.options, troubleFile);
    this.people = await cast(cluster.url);
    this.elsewhere = await this.castElsewhere(urls[0]!);
  }

  /** People are spread by chance: where all of them live on that shard, there have to be more. */
  private async castElsewhere(ownUrl: string): Promise<Person[]> {
    const [own] = await openShards([ownUrl]);
    try {
      for (let more = 0; ; more++) {
        const { rows } = await own!.query<{ username: string }>('SELECT username FROM users');
        const there = new Set(rows.map(({ username }) => username));
        const others = this.people.filter(({ username }) => !there.has(username));
        if (others.length > 0) return others;
        this.people = [
          ...this.people,
          await register(this.scene.url, `another${more}of${Date.now().toString(36)}`),
        ];
      }
    } finally {
      await closeShards([own!]);
    }
  }

  async run(fault: EdgeFault): Promise<EdgeReport> {
    const traffic = new CheckedTraffic(this.scene.url, this.people, this.elsewhere, this.options.rate);
    this.ledgers.push(traffic.ledger);
    traffic.start();
    let recoveredMs: number | undefined;
    try {
      await until('every kind of request to succeed', async () => traffic.succeeds(0));
      await fault.inject(this.scene);
      recoveredMs = await this.recovered(traffic);
    } finally {
      await traffic.stop();
    }
    const stopped = performance.now();
    const eventsLost = await this.eventsLost();
    const caughtUpMs = performance.now() - stopped;
    const { outcomes, ledger } = traffic;
    return {
      fault,
      requests: outcomes.length,
      elsewhere: outcomes.filter(({ elsewhere }) => elsewhere).length,
      failedReads: traffic.failures.filter(({ reads }) => reads).map(lineOf),
      failedElsewhere: traffic.failures.filter(({ elsewhere }) => elsewhere).map(lineOf),
      failedWrites: traffic.failures.filter(({ reads }) => !reads).map(lineOf),
      longestWindowMs: longestWindowMs(outcomes),
      slowestMs: slowestMs(outcomes),
      writes: ledger.writes,
      writesLost: await ledger.lost(),
      eventsLost,
      recoveredMs,
      caughtUpMs,
    };
  }

  /** Of all faults so far: what was there after one may have been lost by another. */
  async lost(): Promise<string[]> {
    const lost: string[] = [];
    for (const ledger of this.ledgers) lost.push(...(await ledger.lost()));
    return lost;
  }

  async stop(): Promise<void> {
    for (let step = this.undo.pop(); step; step = this.undo.pop()) await step();
  }

  /** Milliseconds from now until all is up, and for a while no request fails; `undefined` where it does not come to that. */
  private async recovered(traffic: CheckedTraffic): Promise<number | undefined> {
    const since = performance.now();
    let settledAt = since;
    const isBack = async (): Promise<boolean> => {
      const failedAt = Math.max(...traffic.failures.map(({ to }) => to));
      if (failedAt > settledAt) settledAt = failedAt;
      if (!(await this.isWhole())) settledAt = performance.now();
      return performance.now() - settledAt > SETTLED_MS && traffic.succeeds(settledAt);
    };
    while (!(await isBack())) {
      if (performance.now() - since > RECOVERY_LIMIT_MS) return undefined;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
    return settledAt - since;
  }

  private async isWhole(): Promise<boolean> {
    const status = await this.scene.cluster.status();
    const nginx = status.find(({ component }) => component === 'nginx');
    return nginx?.note === `${REPLICAS} replicas` && status.every(({ state }) => state === 'up');
  }

  /** What differs from what was written, once it does not get better any more. */
  private async eventsLost(): Promise<string[]> {
    const { shardUrls } = this.scene.parts.servers;
    const end = performance.now() + CATCH_UP_LIMIT_MS;
    for (;;) {
      const waiting = await unhandled(shardUrls);
      const lost =
        waiting.length > 0
          ? waiting.map((id) => `${id} is not handled`)
          : [...(await readModelFaults(shardUrls)), ...(await discrepancies(shardUrls))];
      if (lost.length === 0 || performance.now() > end) return lost;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }
}

/** Without what tells one request from the other. */
function lineOf({ kind, failure = '', from, to }: Outcome): string {
  const what = failure.replace(/[\da-f]{32}/g, '…').replace(/\b127\.0\.0\.1:\d+/g, 'Nginx');
  return `${kind} after some ${((to - from) / 1_000).toFixed(0)} s: ${what}`;
}

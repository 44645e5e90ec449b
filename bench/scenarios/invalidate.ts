import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createCache } from '@rookery/cache';
import { startRedis } from '@rookery/devstack/testing';
import { createClient } from 'redis';
import { DIST } from '../databases.js';
import type { Report, Scenario } from '../harness.js';

const OTHERS = 3;
const TIMES = 500;
const ROUNDS = 5;
const GOAL_P99_MS = 10;

export const invalidate: Scenario = {
  name: 'invalidate',
  about:
    'until four processes have dropped a tag, against INCR and PUBLISH by bare node-redis, which nobody confirms',
  run: async (report) => {
    const redis = await startRedis();
    const cache = createCache({ redisUrl: redis.url });
    const client = createClient({ url: redis.url });
    const others: ChildProcess[] = [];
    try {
      await Promise.all([cache.start(), client.connect()]);
      for (let i = 0; i < OTHERS; i++) others.push(await replica(redis.url));
      const ours = async () => {
        if (!(await cache.invalidate(['tag'])).acknowledged) throw new Error('it was not acknowledged');
      };
      const bare = async () => {
        await client.incr('bare:tag');
        await client.publish('bare:invalidated', 'tag');
      };
      await untilAllAreThere(ours);
      const [our, their]: [number[], number[]] = [[], []];
      for (let round = 0; round < ROUNDS; round++) {
        our.push(...(await took(ours)));
        their.push(...(await took(bare)));
      }
      for (const share of [0.5, 0.99]) {
        const [a, b] = [quantile(our, share), quantile(their, share)];
        report.add('invalidate', `on ${OTHERS + 1} processes: p${share * 100}`, a, b, 'ms', false);
      }
      say(report, quantile(our, 0.99));
    } finally {
      await Promise.all(others.map(end));
      await cache.stop();
      await client.disconnect();
      await redis.close();
    }
  },
};

async function replica(url: string): Promise<ChildProcess> {
  const child = fork(join(DIST, 'bench/processes/cache-replica.js'), [url]);
  const [said] = (await once(child, 'message')) as [unknown];
  if (said !== 'ready') throw new Error(`a replica said ${String(said)}`);
  return child;
}

/** For half a second over an empty Redis the registry may be incomplete, and invalidations take as long. */
async function untilAllAreThere(ours: () => Promise<void>): Promise<void> {
  for (const until = performance.now() + 30_000; performance.now() < until;) {
    const since = performance.now();
    await ours();
    if (performance.now() - since < 100) return;
  }
  throw new Error('invalidations are never quick');
}

async function took(one: () => Promise<void>): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < TIMES; i++) {
    const since = performance.now();
    await one();
    times.push(performance.now() - since);
  }
  return times;
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.disconnect();
  await ended;
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))]!;
}

function say(report: Report, p99: number): void {
  report.say(`  p99 ${p99.toFixed(2)} ms; the goal is ${GOAL_P99_MS} ms`);
}

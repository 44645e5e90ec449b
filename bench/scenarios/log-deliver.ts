import { fork } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { newId } from '@rookery/kernel';
import { handling, testEvents } from '@rookery/events/testing';
import { Shards } from '@rookery/sharding';
import { benchDatabases } from '../databases.js';
import { benchSchema, insertThing, TEXT, thingChanged } from '../events/log.js';
import { median, type Report, type Scenario } from '../harness.js';
import { now, type Begun, type Told } from '../processes/handler.js';

const ROUNDS = 5;
const SECONDS = 3;
const CALM_PER_SECOND = 50;
const LOAD_PER_SECOND = 500;
const GOAL_CALM_MS = 5;
const GOAL_LOAD_MS = 50;
const ARRIVAL_LIMIT_MS = 30_000;

/** A replica with a handler, and where it tells of what its handler began. Returns what ends it. */
type Handling = (
  url: string,
  group: string,
  onBegun: (begun: readonly Begun[]) => void,
) => Promise<() => Promise<void>>;

export const logDeliver: Scenario = {
  name: 'log-deliver',
  about: `from commit to the start of the handler: in one process (goal p50 ${GOAL_CALM_MS} ms), in another one under load (goal p99 ${GOAL_LOAD_MS} ms)`,
  run: async (report) => {
    const databases = await benchDatabases(1, benchSchema);
    const [url] = databases.urls as [string];
    try {
      await measure(report, url, 'here', CALM_PER_SECOND);
      await measure(report, url, 'elsewhere', CALM_PER_SECOND);
      await measure(report, url, 'elsewhere', LOAD_PER_SECOND);
    } finally {
      await databases.close();
    }
  },
};

/** The baselines are the goals. */
async function measure(
  report: Report,
  url: string,
  where: 'here' | 'elsewhere',
  perSecond: number,
): Promise<void> {
  const shards = new Shards({ shards: [{ url }], migrations: benchSchema });
  await shards.start();
  const committed = new Map<string, number>();
  const begun = new Map<string, number>();
  const group = `deliver-${where}-${perSecond}`;
  const begin: Handling = where === 'here' ? handlingHere(shards) : handlingElsewhere(shards);
  const end = await begin(url, group, (some) => {
    for (const [key, at] of some) begun.set(key, at);
  });
  const rounds: number[][] = [];
  try {
    for (let round = -1; round < ROUNDS; round++) {
      committed.clear();
      begun.clear();
      await publishFor(shards, perSecond, committed);
      const until = now() + ARRIVAL_LIMIT_MS;
      while (begun.size < committed.size) {
        if (now() > until) throw new Error(`${committed.size - begun.size} events did not arrive`);
        await pause(5);
      }
      // The answer to COMMIT may be read after the handler has begun; then nobody waited.
      const took = [...committed].map(([key, at]) => Math.max(0, begun.get(key)! - at));
      if (round >= 0) rounds.push(took);
    }
  } finally {
    await end();
    await shards.close();
  }
  const title = where === 'here' ? 'the same process' : 'another process';
  for (const [name, share] of [['p50', 0.5] as const, ['p99', 0.99] as const]) {
    const ms = median(rounds.map((took) => percentile(took, share)));
    const goalMs = where === 'here' && name === 'p50' ? GOAL_CALM_MS : GOAL_LOAD_MS;
    report.add('log-deliver', `${title}, ${perSecond}/s: ${name}`, ms, goalMs, 'ms', false);
  }
}

function handlingHere(shards: Shards): Handling {
  return async (_, group, onBegun) => {
    const events = testEvents(shards, [
      handling(thingChanged, { group }, async ({ key }) => onBegun([[key, now()]])),
    ]);
    await events.start();
    return () => events.stop();
  };
}

/** The publisher, this process, is a replica without handlers then. */
function handlingElsewhere(shards: Shards): Handling {
  return async (url, group, onBegun) => {
    const publisher = testEvents(shards, [], { events: [thingChanged] });
    await publisher.start();
    const child = fork(fileURLToPath(new URL('../processes/handler.js', import.meta.url)), [url, group]);
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the handling process ended with ${code}`)));
      child.on('message', (told: Told) => (told === 'ready' ? resolve() : onBegun(told)));
    });
    return async () => {
      child.disconnect();
      await ended;
      await publisher.stop();
    };
  };
}

/** Publishes evenly, whether or not what came before has been answered. */
async function publishFor(shards: Shards, perSecond: number, committed: Map<string, number>): Promise<void> {
  const since = performance.now();
  const under: Promise<void>[] = [];
  for (let n = 0; n < perSecond * SECONDS; n++) {
    const wait = since + (n * 1000) / perSecond - performance.now();
    if (wait > 0) await pause(wait);
    const id = newId((n * 1_021) % 4096);
    under.push(
      shards.transaction(id, async (tx) => {
        tx.afterCommit(() => committed.set(id, now()));
        tx.send(insertThing(id, n));
        tx.publish(thingChanged({ id, n, text: TEXT }));
      }),
    );
  }
  await Promise.all(under);
}

function percentile(values: readonly number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * share)]!;
}

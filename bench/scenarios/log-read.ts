import { readOnly } from '@rookery/events/testing';
import { Shards } from '@rookery/sharding';
import pg from 'pg';
import { cpuOfTree } from '../cpu.js';
import { benchDatabases, eachDatabase, type BenchDatabases } from '../databases.js';
import { benchSchema, fillLog, thingChanged } from '../events/log.js';
import type { Scenario, Side } from '../harness.js';

const SMALL = 10_000;
const LARGE = Number(process.env['BENCH_EVENTS'] ?? 2_000_000);
const GOAL_PER_SECOND = 100_000;
/** Events of one round, however many there are. */
const ROUND = 100_000;
const AT_ONCE = 500;

interface Log {
  readonly databases: BenchDatabases;
  readonly shards: Shards;
  readonly events: number;
}

export const logRead: Scenario = {
  name: 'log-read',
  about: `events/s of one shard's log to the handlers' door, at ${SMALL} and at ${LARGE} events (goal ${GOAL_PER_SECOND}/s)`,
  run: async (report) => {
    const logs: Log[] = [];
    try {
      for (const events of [SMALL, LARGE]) logs.push(await make(events));
      const [small, large] = logs as [Log, Log];
      await mustAgree(small);
      await report.compare('log-read', 'ours, rows by number with bare pg', reading(small), byNumber(small));
      await report.compare(
        'log-read',
        `from the beginning, ${LARGE} : ${SMALL}`,
        reading(large),
        reading(small),
      );
      await report.compare('log-read', `${SMALL} new ones, ${LARGE} : ${SMALL}`, news(large), news(small));
      const rate = await rateOf(reading(large));
      report.add('log-read', `events at ${LARGE}, baseline is the goal`, rate, GOAL_PER_SECOND, '1/s', true);
    } finally {
      for (const { databases, shards } of logs) {
        await shards.close();
        await databases.close();
      }
    }
  },
};

async function make(events: number): Promise<Log> {
  const databases = await benchDatabases(1, benchSchema);
  await fillLog(databases.urls[0]!, events);
  const shards = new Shards({ shards: databases.urls.map((url) => ({ url })), migrations: benchSchema });
  await shards.start();
  return { databases, shards, events };
}

let groups = 0;

/** Reads up to `most` events with a group, from where it is; what counts is from the first to the last. */
async function read(
  { shards }: Log,
  most: number,
  group: string,
  onIds: (ids: readonly string[]) => void = () => undefined,
): Promise<{ operations: number; seconds: number }> {
  let [seen, first, since, until] = [0, 0, 0, 0];
  let tell: () => void = () => undefined;
  const told = new Promise<void>((resolve) => (tell = resolve));
  const end = await readOnly({
    shards,
    shard: shards.shardNames[0]!,
    group,
    types: [thingChanged.type],
    onEvents: (events) => {
      if (seen >= most) return;
      if (first === 0) [first, since] = [events.length, performance.now()];
      seen += events.length;
      onIds(events.map(({ id }) => id));
      if (seen >= most) {
        until = performance.now();
        tell();
      }
    },
  });
  await told;
  await end();
  return { operations: seen - first, seconds: (until - since) / 1000 };
}

/** Rounds of one length, whatever the log holds: a small one is read several times over, each by a group of its own. */
function reading(log: Log): Side {
  return measured(log, async () => {
    const most = Math.min(ROUND, log.events);
    let [operations, seconds] = [0, 0];
    while (operations < ROUND * 0.9) {
      const one = await read(log, most, `all-${(groups += 1)}`);
      operations += one.operations;
      seconds += one.seconds;
    }
    return { operations, seconds };
  });
}

/** What came while a group was away that had read everything: how far back it lies must not matter. */
function news(log: Log): Side {
  const group = `news-${(groups += 1)}`;
  let upToDate = false;
  const side = measured(log, () => read(log, SMALL, group));
  return async () => {
    if (!upToDate) await read(log, log.events, group);
    upToDate = true;
    await fillLog(log.databases.urls[0]!, SMALL);
    return side();
  };
}

/** pg by hand, as one would who does not mind losing some: the next rows by number. */
function byNumber({ databases }: Log): Side {
  return async () => {
    const client = new pg.Client({ connectionString: databases.urls[0]! });
    await client.connect();
    try {
      const [cpu, postgres] = [process.cpuUsage(), cpuOfTree(databases.serverPid)];
      const since = performance.now();
      let operations = 0;
      while (operations < ROUND * 0.9) operations += (await readByNumber(client)).length;
      const seconds = (performance.now() - since) / 1000;
      const { user, system } = process.cpuUsage(cpu);
      return {
        operations,
        seconds,
        cpuMs: (user + system) / 1000,
        postgresMs: cpuOfTree(databases.serverPid) - postgres,
      };
    } finally {
      await client.end();
    }
  };
}

async function readByNumber(client: pg.Client): Promise<string[]> {
  const ids: string[] = [];
  for (let last = '0'; ;) {
    const { rows } = await client.query<[seq: string, id: string]>({
      name: 'by-number',
      text: `SELECT seq, id, type, version, topic, key, shard_slot, payload, headers, created_at FROM rookery_event
             WHERE seq > $1 ORDER BY seq LIMIT $2`,
      values: [last, AT_ONCE],
      rowMode: 'array',
    });
    for (const [, id] of rows) ids.push(id);
    if (rows.length < AT_ONCE) return ids;
    last = rows.at(-1)![0];
  }
}

function measured({ databases }: Log, work: () => Promise<{ operations: number; seconds: number }>): Side {
  return async () => {
    const [cpu, postgres] = [process.cpuUsage(), cpuOfTree(databases.serverPid)];
    const { operations, seconds } = await work();
    const { user, system } = process.cpuUsage(cpu);
    return {
      operations,
      seconds,
      cpuMs: (user + system) / 1000,
      postgresMs: cpuOfTree(databases.serverPid) - postgres,
    };
  };
}

async function rateOf(side: Side): Promise<number> {
  const { operations, seconds } = await side();
  return operations / seconds;
}

/** Nothing is running, so the order by number is the order of the log. */
async function mustAgree(log: Log): Promise<void> {
  const ours: string[] = [];
  await read(log, log.events, 'agreeing', (ids) => ours.push(...ids));
  await eachDatabase(log.databases.urls, async (client) => {
    const baseline = await readByNumber(client);
    if (ours.join() !== baseline.join()) throw new Error(`ours and the baseline read something else`);
  });
}

import { setTimeout as pause } from 'node:timers/promises';
import { handling, testEvents } from '@rookery/events/testing';
import { Shards } from '@rookery/sharding';
import pg from 'pg';
import { cpuOfTree } from '../cpu.js';
import { benchDatabases } from '../databases.js';
import { benchSchema, thingChanged } from '../events/log.js';
import type { Scenario } from '../harness.js';

const GROUPS = ['one', 'two', 'three', 'four'];
const SHARDS = 2;
const SECONDS = 20;
/** Backends tell the statistics what they did once a second, and a quiet one within ten. */
const CALM_MS = 15_000;
const GOAL_STATEMENTS = 2;
const GOAL_CPU_PERCENT = 1;

interface Use {
  readonly statements: number;
  readonly cpuPercent: number;
  readonly postgresPercent: number;
}

/** What a replica with groups does while nothing happens; the baselines are our limits, or the same without groups. */
export const idle: Scenario = {
  name: 'idle',
  about: `an idle replica with ${GROUPS.length} groups: statements per shard and second (limit ${GOAL_STATEMENTS}), CPU (limit ${GOAL_CPU_PERCENT} %)`,
  run: async (report) => {
    const databases = await benchDatabases(SHARDS, benchSchema);
    const { urls, serverPid } = databases;
    const shards = new Shards({ shards: urls.map((url) => ({ url })), migrations: benchSchema });
    try {
      await shards.start();
      const without = await use(urls, serverPid);
      const events = testEvents(
        shards,
        GROUPS.map((group) => handling(thingChanged, { group }, () => Promise.resolve())),
      );
      await events.start();
      const all = await use(urls, serverPid);
      await events.stop();
      const own = all.statements - without.statements;
      report.add('idle', 'statements of the groups', own, GOAL_STATEMENTS, '1/s/shard', false);
      report.add(
        'idle',
        'statements with those of the shards',
        all.statements,
        GOAL_STATEMENTS,
        '1/s/shard',
        false,
      );
      report.add('idle', 'CPU of Node, all in all', all.cpuPercent, GOAL_CPU_PERCENT, '% of a core', false);
      report.add(
        'idle',
        'CPU of PostgreSQL: with groups, without',
        all.postgresPercent,
        without.postgresPercent,
        '% of a core',
        false,
      );
    } finally {
      await shards.close();
      await databases.close();
    }
  },
};

async function use(urls: readonly string[], serverPid: number): Promise<Use> {
  await pause(CALM_MS);
  const [before, cpu, postgres] = [await transactions(urls), process.cpuUsage(), cpuOfTree(serverPid)];
  await pause(SECONDS * 1000);
  const { user, system } = process.cpuUsage(cpu);
  const postgresMs = cpuOfTree(serverPid) - postgres;
  return {
    statements: ((await transactions(urls)) - before) / SECONDS / urls.length,
    cpuPercent: (user + system) / 10 / (SECONDS * 1000),
    postgresPercent: postgresMs / 10 / SECONDS,
  };
}

/** Statements outside a transaction are one each. Asked from another database, so that asking is not counted. */
async function transactions(urls: readonly string[]): Promise<number> {
  const elsewhere = new URL(urls[0]!);
  elsewhere.pathname = '/postgres';
  const client = new pg.Client({ connectionString: elsewhere.href });
  await client.connect();
  try {
    const { rows } = await client.query<{ n: number }>(
      `SELECT sum(xact_commit + xact_rollback)::int AS n FROM pg_stat_database WHERE datname = ANY($1)`,
      [urls.map((url) => new URL(url).pathname.slice(1))],
    );
    return rows[0]!.n;
  } finally {
    await client.end();
  }
}

import { prepared, Shards, type ShardingOptions } from '@rookery/sharding';
import type { CliCommand } from '../cli.options.js';
import type { EventsSite } from '../events/events-topics.js';
import { count } from '../terminal/figures.js';
import type { Output } from '../terminal/output.js';
import { table } from '../terminal/table.js';
import { UsageFault } from '../usage-fault.js';
import { planCapacity, type CapacityPlan, type ServerFacts } from './plan-capacity.js';

const APPLICATION = 'rookery capacity';
/** PostgreSQL's own, where nobody is asked. */
const DEFAULTS = { max: 100, reserved: 3 };
/** As the sharding library has it. */
const DEFAULT_POOL_MAX = 10;

const limits = prepared(
  'cli.limits',
  `SELECT current_setting('max_connections')::int AS max,
     current_setting('superuser_reserved_connections')::int
       + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved`,
);

/** `rookery capacity`: whether what the site is configured for fits what it stands on. Changes nothing. */
export const capacity: CliCommand<EventsSite> = {
  path: ['capacity'],
  summary:
    'compute connections, partitions and memory of a number of replicas, and warn of what does not fit',
  flags: [
    { flags: '--replicas <n>', summary: 'how many replicas (3)' },
    { flags: '--max-connections <n>', summary: "of each PostgreSQL, in place of asking the shards'" },
    {
      flags: '--heap <MiB>',
      summary: "Node's --max-old-space-size (256, as npm start and the image have it)",
    },
    { flags: '--memory <MiB>', summary: 'what one replica may take (512)' },
  ],
  help: `From the site's own configuration (SHARD_URLS, POOL_MAX, PGBOUNCER, KAFKA_BROKERS):
  connections  (replicas + 1 in a rollout) × (POOL_MAX + 1 to watch) × shards of the server, and 4 a shard for tools,
               against max_connections less what PostgreSQL keeps for superusers
  work         partitions of each topic, or lanes of each group, by replica
  memory       heap, what stands beside it, connections, passwords that are hashed

Ends with code 1 if something does not fit.`,
  async run({ flags, json, output, open }) {
    const replicas = whole(flags['replicas'], 'replicas', 3);
    const maxConnections = whole(flags['maxConnections'], 'max-connections', undefined);
    const heapMiB = whole(flags['heap'], 'heap', 256);
    const memoryMiB = whole(flags['memory'], 'memory', 512);
    const { sharding, events, kafka } = await open();
    const { poolMax = DEFAULT_POOL_MAX } = sharding;
    const plan = planCapacity({
      replicas,
      poolMax,
      servers: await serversOf(sharding, maxConnections),
      pooled: sharding.sessionState === false,
      topics: kafka ? topicsOf(events) : undefined,
      heapMiB,
      memoryMiB,
    });
    if (json) output.json({ replicas, poolMax, ...plan });
    else print(plan, replicas, sharding.sessionState === false, output);
    return plan.warnings.length > 0 ? 1 : 0;
  },
};

function whole<T>(given: unknown, name: string, byDefault: T): number | T {
  if (given === undefined) return byDefault;
  const value = Number(given);
  if (!Number.isInteger(value) || value < 1) throw new UsageFault(`--${name} takes a whole number from 1 on`);
  return value;
}

/** The topics that events travel by; those that share one share its partitions. */
function topicsOf(events: EventsSite['events']): { topic: string; partitions: number }[] {
  const topics = new Map<string, number>();
  for (const { topic } of events)
    topics.set(topic.name, Math.max(topics.get(topic.name) ?? 0, topic.partitions));
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }));
}

async function serversOf(
  sharding: ShardingOptions,
  maxConnections: number | undefined,
): Promise<ServerFacts[]> {
  const named = sharding.shards.map(({ url }, i) => ({ shard: `s${i + 1}`, server: hostOf(url) }));
  const asked = maxConnections === undefined ? await ask(sharding) : new Map<string, typeof DEFAULTS>();
  return [...new Set(named.map(({ server }) => server))].map((server) => {
    const shards = named.filter((one) => one.server === server).map(({ shard }) => shard);
    const answer = shards.flatMap((shard) => asked.get(shard) ?? []).at(0);
    const { max, reserved } = answer ?? DEFAULTS;
    return {
      server,
      shards,
      maxConnections: maxConnections ?? max,
      reserved,
      asked: answer !== undefined || maxConnections !== undefined,
    };
  });
}

function hostOf(url: string): string {
  const { hostname, port } = new URL(url);
  return `${hostname}:${port || 5432}`;
}

/** The limits of each shard's server that answers. */
async function ask(sharding: ShardingOptions): Promise<Map<string, typeof DEFAULTS>> {
  const shards = new Shards({ ...sharding, poolMax: 1, applicationName: APPLICATION });
  try {
    await shards.start();
    const up = shards.status().filter(({ state }) => state === 'up');
    const answers = await Promise.all(
      up.map(async ({ shard }) => {
        const [row] = await shards.queryShard<typeof DEFAULTS>(shard, limits());
        return [shard, row!] as const;
      }),
    );
    return new Map(answers);
  } finally {
    await shards.close();
  }
}

function print(plan: CapacityPlan, replicas: number, pooled: boolean, output: Output): void {
  const { connections, work, memory, warnings } = plan;
  const [head, ...lines] = table(
    [
      { title: 'PostgreSQL' },
      { title: 'shards' },
      { title: 'wanted', align: 'right' },
      { title: 'there', align: 'right' },
    ],
    connections.map(({ server, shards, needed, available, asked }) => [
      server,
      shards.join(', '),
      output.paint(needed > available && !pooled ? 'red' : 'green', String(needed)),
      asked ? String(available) : `${available} by default`,
    ]),
  );
  output.print(output.paint('dim', head!));
  for (const line of lines) output.print(line);
  if (pooled)
    output.print(
      output.paint('dim', 'PgBouncer stands between: hold what is wanted against its max_client_conn'),
    );
  output.print();
  for (const { what, parts, each } of work)
    output.print(`${count(parts, what, what)}: ${each} for each of ${replicas}`);
  const held = Object.entries(memory.parts).map(([what, mib]) => `${what} ${mib}`);
  output.print(`memory of a replica: ${memory.needed} of ${memory.available} MiB (${held.join(', ')})`);
  for (const warning of warnings) output.print(`\n${output.paint('red', '!')} ${warning}`);
  if (warnings.length === 0) output.print(`\n${output.paint('green', '✓')} all of it fits`);
}

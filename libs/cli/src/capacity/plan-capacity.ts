import { count } from '../terminal/figures.js';

/** What a site is to be run with. */
export interface CapacityFacts {
  readonly replicas: number;
  /** Connections of one replica to one shard, at most; it watches by one more. */
  readonly poolMax: number;
  readonly servers: readonly ServerFacts[];
  /** Whether PgBouncer stands between: then a server's limits are not met by replicas, but by it. */
  readonly pooled: boolean;
  /** Undefined where events are read from the logs. */
  readonly topics: readonly { readonly topic: string; readonly partitions: number }[] | undefined;
  /** Node's `--max-old-space-size`. */
  readonly heapMiB: number;
  /** What one replica may take: the limit of its container, or its share of the machine. */
  readonly memoryMiB: number;
}

export interface ServerFacts {
  /** `host:port`: shards of one server share its limit. */
  readonly server: string;
  readonly shards: readonly string[];
  readonly maxConnections: number;
  /** Kept by PostgreSQL for those who may pass its limit. */
  readonly reserved: number;
  /** Whether the server said so, or the figures are PostgreSQL's defaults. */
  readonly asked: boolean;
}

export interface CapacityPlan {
  readonly connections: readonly {
    readonly server: string;
    readonly shards: readonly string[];
    readonly needed: number;
    readonly available: number;
    readonly asked: boolean;
  }[];
  readonly work: readonly { readonly what: string; readonly parts: number; readonly each: string }[];
  readonly memory: {
    readonly needed: number;
    readonly available: number;
    readonly parts: Readonly<Record<string, number>>;
  };
  /** Empty where all of it fits. */
  readonly warnings: readonly string[];
}

/** A rollout starts a new replica before an old one goes. */
const SURGE = 1;
/** One command line at a time, and somebody who looks. */
const FOR_TOOLS = 4;
/** Lanes of a group on each shard, which replicas divide among them. */
const LANES = 16;
/** MiB of a Conduit without load beside its heap: code, threads, buffers; 82 were measured on Linux. */
const BASE_MIB = 96;
/** MiB of one connection, with its buffers. */
const CONNECTION_MIB = 0.2;
/** MiB of passwords that are hashed: two at once, 19 each. */
const PASSWORDS_MIB = 38;

/** Whether a site's parts fit one another, and by how much. */
export function planCapacity(facts: CapacityFacts): CapacityPlan {
  const { replicas, poolMax, servers, pooled, topics, heapMiB, memoryMiB } = facts;
  const warnings: string[] = [];
  const most = replicas + SURGE;
  const connections = servers.map(({ server, shards, maxConnections, reserved, asked }) => {
    const needed = shards.length * (most * (poolMax + 1) + FOR_TOOLS);
    const available = maxConnections - reserved;
    if (needed > available && !pooled) {
      const pool = Math.floor((available / shards.length - FOR_TOOLS) / most) - 1;
      warnings.push(
        `${server} takes ${count(available, 'connection')}, and ${needed} may be wanted (${count(replicas, 'replica')} and one more in a rollout, ` +
          `${poolMax} + 1 each to ${count(shards.length, 'shard')}, ${FOR_TOOLS} for tools): ` +
          (pool > 0 ? `POOL_MAX=${pool} fits, or` : 'fewer replicas,') +
          ` max_connections=${needed + reserved}, or PgBouncer between`,
      );
    }
    return { server, shards, needed, available, asked };
  });

  const shards = servers.reduce((sum, server) => sum + server.shards.length, 0);
  const parts = topics
    ? topics.map(({ topic, partitions }) => ({ what: `partitions of ${topic}`, parts: partitions }))
    : [{ what: 'lanes of each group', parts: LANES * shards }];
  const work = parts.map((one) => ({ ...one, each: spread(one.parts, replicas) }));
  for (const { what, parts: number } of work) {
    if (number < replicas) {
      warnings.push(
        `there are ${number} ${what} for ${count(replicas, 'replica')}: ${count(replicas - number, 'replica has', 'replicas have')} none of that work`,
      );
    }
  }

  const held: Record<string, number> = {
    heap: heapMiB,
    'beside it': BASE_MIB,
    connections: Math.ceil(shards * (poolMax + 1) * CONNECTION_MIB),
    passwords: PASSWORDS_MIB,
  };
  const needed = Object.values(held).reduce((sum, part) => sum + part, 0);
  if (needed > memoryMiB) {
    const heap = memoryMiB - (needed - heapMiB);
    warnings.push(
      `a replica may take ${needed} MiB, and has ${memoryMiB}: ` +
        (heap >= 64 ? `--max-old-space-size=${heap} fits, or` : 'it needs') +
        ` a limit of ${needed} MiB`,
    );
  }
  return { connections, work, memory: { needed, available: memoryMiB, parts: held }, warnings };
}

function spread(parts: number, replicas: number): string {
  const [least, most] = [Math.floor(parts / replicas), Math.ceil(parts / replicas)];
  return least === most ? String(least) : `${least} or ${most}`;
}

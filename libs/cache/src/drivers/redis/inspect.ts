import { createClient, createCluster, type RedisClientType, type RedisClusterType } from 'redis';
import { settled, type CacheOptions } from '../../cache.options.js';
import { commonOf } from './cluster-link.js';
import { away, within } from './deadline.js';
import { Keys } from './keys.js';

/** What Redis knows of a cache and of who uses it. */
export interface SharedFigures {
  readonly entries: number;
  /** Versions of tags that are remembered. */
  readonly tags: number;
  /** Loads under way, about. */
  readonly leases: number;
  readonly replicas: readonly RegisteredReplica[];
  /** Of the whole Redis, whoever else uses it. */
  readonly server: {
    readonly usedBytes: number;
    /** 0: as much as there is. */
    readonly maxBytes: number;
    readonly keyHits: number;
    readonly keyMisses: number;
  };
}

export interface RegisteredReplica {
  readonly id: string;
  /** Whether it has beaten lately; one that has not is waited for once, then struck off. */
  readonly isAlive: boolean;
}

const LIMIT_MS = 10_000;
const AT_ONCE = 1_000;

/**
 * Looks at the cache in Redis without taking part in it: by SCAN, so it takes a while where there is much. Counts change
 * meanwhile.
 * @throws RK_CACHE_REDIS_AWAY when Redis does not answer; RK_CACHE_BAD_OPTIONS
 */
export async function inspectRedis(
  options: CacheOptions & { readonly redisUrl: string | readonly string[] },
): Promise<SharedFigures> {
  const { namespace, version } = settled(options);
  const keys = new Keys(namespace, version);
  const { redisUrl } = options;
  const client =
    typeof redisUrl === 'string'
      ? createClient({ url: redisUrl, socket: { reconnectStrategy: false } })
      : createCluster({ rootNodes: redisUrl.map((url) => ({ url })), defaults: commonOf(redisUrl) });
  // What it tells of is the rejection below; without a listener it would end the process.
  client.on('error', () => undefined);
  try {
    await within<unknown>(LIMIT_MS, client.connect());
    return await figuresOf(client as RedisClientType | RedisClusterType, keys);
  } catch (error) {
    throw away(error instanceof Error ? error.message : String(error), error);
  } finally {
    await client.disconnect().catch(() => undefined);
  }
}

async function figuresOf(client: RedisClientType | RedisClusterType, keys: Keys): Promise<SharedFigures> {
  const nodes: RedisClientType[] = [];
  if ('masters' in client) {
    // One that has slots here and there is named as often.
    for (const master of new Set(client.masters)) nodes.push(await client.nodeClient(master));
  } else nodes.push(client);
  const figures = { entries: 0, tags: 0, leases: 0 };
  const server = { usedBytes: 0, maxBytes: 0, keyHits: 0, keyMisses: 0 };
  const kinds = [
    [keys.entry(''), 'entries'],
    [keys.version(''), 'tags'],
    [keys.lease(''), 'leases'],
  ] as const;
  for (const node of nodes) {
    for await (const key of node.scanIterator({ MATCH: `${keys.data}:*`, COUNT: AT_ONCE })) {
      const kind = kinds.find(([prefix]) => key.startsWith(prefix));
      if (kind) figures[kind[1]] += 1;
    }
    const info = `${await node.info('memory')}\n${await node.info('stats')}`;
    server.usedBytes += numberIn(info, 'used_memory');
    server.maxBytes += numberIn(info, 'maxmemory');
    server.keyHits += numberIn(info, 'keyspace_hits');
    server.keyMisses += numberIn(info, 'keyspace_misses');
  }
  const members = (await client.zRange(keys.registry, 0, -1)).filter((id) => id !== '#born');
  const replicas = await Promise.all(
    members.map(async (id) => ({ id, isAlive: (await client.exists(keys.beat(id))) === 1 })),
  );
  return { ...figures, replicas: replicas.sort((a, b) => (a.id < b.id ? -1 : 1)), server };
}

function numberIn(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
}

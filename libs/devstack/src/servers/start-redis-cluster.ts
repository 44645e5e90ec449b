import { setTimeout as delay } from 'node:timers/promises';
import { HOST } from '../kafka/server-properties.js';
import { startRedisServer, type Redis, type RedisServer } from './start-redis.js';

export interface RedisClusterOptions {
  /** Nodes that have slots, as many each. @default 3 */
  readonly masters?: number;
  /** Nodes for each of these that have its data, too. @default 1 */
  readonly replicas?: number;
  /** Milliseconds after which a node that says nothing is taken for dead. @default 1000 */
  readonly nodeTimeoutMs?: number;
  /** Directives of `redis.conf`, for all nodes. */
  readonly config?: Readonly<Record<string, string>>;
}

/** A node is named by its place in `nodes`; who is master changes. */
export interface RedisCluster {
  /** First the masters of the beginning, then their replicas. */
  readonly nodes: readonly Redis[];
  readonly urls: readonly string[];
  /** Of a key. */
  slotOf(key: string): Promise<number>;
  /** Who has the slot, as those see it that run. */
  masterOf(slot: number): Promise<Redis>;
  /** Who has the data of a master as well, and runs. */
  replicasOf(master: Redis): Promise<readonly Redis[]>;
  /**
   * Makes a replica the master in the place of its own, which runs, with all that was written; `TAKEOVER`: at once, with what
   * it has. Resolves when all that run see it so.
   */
  promote(replica: Redis, how?: 'TAKEOVER'): Promise<void>;
  /** Moves a slot with its keys, one by one, as `redis-cli --cluster reshard` does. */
  move(slot: number, to: Redis): Promise<void>;
  /** Resolves when all that run see all slots served, by masters that run. */
  whenWell(): Promise<void>;
  /** Ends all, and removes their folders. May be called again. */
  close(): Promise<void>;
}

interface SeenNode {
  readonly id: string;
  readonly port: number;
  readonly flags: readonly string[];
  readonly masterId: string;
  /** `from-to`, or one. */
  readonly slots: readonly string[];
}

const SLOTS = 16_384;
const POLL_MS = 20;
const LIMIT_MS = 60_000;
/** A little more than the five seconds after which a replica gives up. */
const ASK_AGAIN_MS = 5_500;
const MOVED_AT_ONCE = 10;

/**
 * A Redis Cluster on loopback, in memory only: `redis-server` and `redis-cli` on the path. When this process dies, it is
 * killed and its folders are removed.
 * @throws RK_DEVSTACK_SERVER_START_FAILED, RK_DEVSTACK_SERVER_START_TIMEOUT; nothing is left behind then
 */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const { masters = 3, replicas = 1, nodeTimeoutMs = 1_000, config = {} } = options;
  const directives = {
    'cluster-node-timeout': String(nodeTimeoutMs),
    // Replicas are to have everything at once, and to be promoted however long they were held up.
    'repl-diskless-sync-delay': '0',
    'cluster-replica-validity-factor': '0',
    ...(config['requirepass'] !== undefined && { masterauth: config['requirepass'] }),
    ...config,
  };
  const started = await Promise.allSettled(
    Array.from({ length: masters * (1 + replicas) }, () => startRedisServer(directives, true)),
  );
  const nodes = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const cluster = new LocalRedisCluster(nodes);
  try {
    for (const each of started) if (each.status === 'rejected') throw each.reason as Error;
    await cluster.form(masters);
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

class LocalRedisCluster implements RedisCluster {
  constructor(readonly nodes: readonly RedisServer[]) {}

  get urls(): readonly string[] {
    return this.nodes.map(({ url }) => url);
  }

  async form(masters: number): Promise<void> {
    const { nodes } = this;
    for (const [i, node] of nodes.entries()) {
      await node.command('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1));
      if (i < masters) {
        const [from, to] = [i, i + 1].map((share) => Math.round((share * SLOTS) / masters));
        await node.command('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to! - 1));
      }
      // Each is told of all others: to hear of them by gossip would take seconds.
      for (const other of nodes.slice(0, i)) {
        await node.command('CLUSTER', 'MEET', HOST, String(other.port), String(other.busPort));
      }
    }
    await this.allSee(
      'one another',
      (seen) => seen.length === nodes.length && seen.every(({ flags }) => !flags.includes('handshake')),
    );
    const ids = await Promise.all(nodes.map((node) => node.command('CLUSTER', 'MYID')));
    for (const [i, node] of nodes.entries()) {
      if (i >= masters) await node.command('CLUSTER', 'REPLICATE', ids[i % masters]!);
    }
    await this.whenWell();
    await this.until('all replicas have the data of their masters', async () => {
      const links = await Promise.all(
        nodes.slice(masters).map((node) => node.command('INFO', 'replication')),
      );
      return links.every((link) => link.includes('master_link_status:up'));
    });
    await this.allSee(
      'replicas',
      (seen) => seen.filter(({ flags }) => flags.includes('slave')).length === nodes.length - masters,
    );
  }

  async slotOf(key: string): Promise<number> {
    return Number(await this.running()[0]!.command('CLUSTER', 'KEYSLOT', key));
  }

  async masterOf(slot: number): Promise<Redis> {
    let found: RedisServer | undefined;
    await this.until(`a master of slot ${slot}`, async () => {
      found = this.nodeOf((await this.seenBy(this.running()[0]!)).find((node) => has(node, slot)));
      return found?.pid !== undefined;
    });
    return found!;
  }

  async replicasOf(master: Redis): Promise<readonly Redis[]> {
    const seen = await this.seenBy(this.running()[0]!);
    const { id } = seen.find(({ port }) => port === master.port)!;
    const replicas = seen.filter(({ masterId }) => masterId === id).map((node) => this.nodeOf(node));
    return replicas.filter((node) => node?.pid !== undefined) as Redis[];
  }

  async promote(replica: Redis, how?: 'TAKEOVER'): Promise<void> {
    let askAt = 0;
    await this.until('the new master', async () => {
      const views = await Promise.all(this.running().map((node) => this.seenBy(node)));
      const isMaster = views.every(
        (seen) => seen.find(({ port }) => port === replica.port)!.slots.length > 0,
      );
      // Masters do not vote twice within a while, and the replica gives up: it is to try again.
      if (isMaster || performance.now() < askAt) return isMaster;
      const answer = await replica.command('CLUSTER', 'FAILOVER', ...(how ? [how] : []));
      askAt = performance.now() + (answer === 'OK' ? ASK_AGAIN_MS : 0);
      return false;
    });
  }

  async move(slot: number, to: Redis): Promise<void> {
    const from = await this.masterOf(slot);
    const [fromId, toId] = await Promise.all([from, to].map((node) => node.command('CLUSTER', 'MYID')));
    await to.command('CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', fromId!);
    await from.command('CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', toId!);
    for (;;) {
      const listed = await from.command('CLUSTER', 'GETKEYSINSLOT', String(slot), String(MOVED_AT_ONCE));
      if (listed === '') break;
      const target = [HOST, String(to.port), '', '0', '5000', 'KEYS'];
      const answer = await from.command('MIGRATE', ...target, ...listed.split('\n'));
      // Keys that ran out meanwhile are not there any more.
      if (answer !== 'OK' && answer !== 'NOKEY') throw new Error(`slot ${slot} cannot be moved: ${answer}`);
    }
    for (const node of [to, from, ...this.running()]) {
      // Replicas hear of it from their masters.
      await node.command('CLUSTER', 'SETSLOT', String(slot), 'NODE', toId!);
    }
    await this.allSee('the slot moved', (seen) =>
      seen.some((node) => node.port === to.port && has(node, slot)),
    );
  }

  async whenWell(): Promise<void> {
    await this.until('the cluster is well', async () => {
      for (const node of this.running()) {
        if (!(await node.command('CLUSTER', 'INFO')).includes('cluster_state:ok')) return false;
        const masters = (await this.seenBy(node)).filter(({ slots }) => slots.length > 0);
        if (masters.some((each) => this.nodeOf(each)?.pid === undefined)) return false;
      }
      return true;
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
  }

  private running(): readonly RedisServer[] {
    return this.nodes.filter(({ pid }) => pid !== undefined);
  }

  private nodeOf(seen: SeenNode | undefined): RedisServer | undefined {
    return seen && this.nodes.find(({ port }) => port === seen.port);
  }

  private allSee(what: string, isSeen: (seen: readonly SeenNode[]) => boolean): Promise<void> {
    return this.until(`all nodes see ${what}`, async () => {
      const views = await Promise.all(this.running().map((node) => this.seenBy(node)));
      return views.every(isSeen);
    });
  }

  private async seenBy(node: Redis): Promise<readonly SeenNode[]> {
    const listed = await node.command('CLUSTER', 'NODES');
    return listed.split('\n').map((line) => {
      const [id, address, flags, masterId, , , , , ...slots] = line.split(' ');
      const port = Number(/:(\d+)@/.exec(address!)![1]);
      // What is in brackets is on its way.
      const owned = slots.filter((slot) => !slot.startsWith('['));
      return { id: id!, port, flags: flags!.split(','), masterId: masterId!, slots: owned };
    });
  }

  private async until(what: string, ask: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + LIMIT_MS;
    while (!(await ask())) {
      if (performance.now() > end) throw new Error(`waited ${LIMIT_MS} ms in vain: ${what}`);
      await delay(POLL_MS);
    }
  }
}

function has({ slots }: SeenNode, slot: number): boolean {
  return slots.some((range) => {
    const [from, to = from] = range.split('-').map(Number) as [number, number?];
    return from <= slot && slot <= to;
  });
}

import { createClient, createCluster, type RedisClientType, type RedisClusterType } from 'redis';
import { away, within } from './deadline.js';
import { slotOf } from './slot.js';

export interface ClusterLinkSetup {
  /** Of some nodes; the others are found by them. */
  readonly urls: readonly string[];
  readonly deadlineMs: number;
  readonly boundMs: number;
  readonly queueLimit: number;
  readonly connectMs: number;
  /** It works by another client from now on. */
  readonly changed: (client: RedisClusterType) => void;
  readonly onError: (error: unknown) => void;
}

type Slots = Awaited<ReturnType<RedisClientType['clusterSlots']>>;

interface Opened {
  readonly client: RedisClusterType;
  end(): Promise<void>;
}

/** What is known of a node beside its address. */
interface Health {
  isAsked: boolean;
  /** Since when it has not answered; `undefined` if it has. */
  silentSince: number | undefined;
}

/** Silent for so many bounds although nobody has its slots, it is called anew: its host may be there again. */
const CALL_AGAIN_BOUNDS = 10;

/**
 * A client of a cluster that survives its nodes. node-redis asks who has which slot only when a node says that it has not: of
 * one that is dead it never hears that a replica has taken its place, and of a cluster that was away when the process
 * started it never hears at all. So each master is asked for a sign of life; while one is silent, others are asked who has
 * its slots, and if that is somebody else, all is connected anew.
 */
export class ClusterLink {
  private opened: Opened;
  private readonly old = new Set<Opened>();
  private readonly health = new Map<string, Health>();
  private looking = false;
  private lookedAt = -Infinity;
  private openedAt = performance.now();
  private closed = false;

  constructor(private readonly setup: ClusterLinkSetup) {
    this.opened = this.open(setup.urls);
    setup.changed(this.opened.client);
  }

  get client(): RedisClusterType {
    return this.opened.client;
  }

  /** Whether the master of one of the keys is unknown, or has not answered for longer than `forMs`. */
  isSilent(keys: readonly string[], forMs = 0): boolean {
    const { slots } = this.client;
    const before = performance.now() - forMs;
    return keys.some((key) => {
      const address = slots[slotOf(key)]?.master.address;
      return address === undefined || (this.health.get(address)?.silentSince ?? Infinity) <= before;
    });
  }

  /** Of the master that has the key. @throws RK_CACHE_REDIS_AWAY where none is known */
  urlOf(key: string): string {
    const master = this.client.slots[slotOf(key)]?.master;
    if (!master) throw away('no node of the cluster is known');
    return this.urlAt(master.host, master.port);
  }

  /** To be called every now and then; holds nobody up. */
  tend(): void {
    this.askAll();
    const now = performance.now();
    if (now - this.lookedAt < this.setup.boundMs || this.looking) return;
    if (this.client.masters.length > 0 && this.silentMs(now) < this.setup.boundMs) return;
    this.lookedAt = now;
    this.looking = true;
    // What fails is tried again.
    void this.look()
      .catch(() => undefined)
      .finally(() => (this.looking = false));
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.all([this.opened, ...this.old].map((each) => each.end()));
  }

  private askAll(): void {
    for (const { address } of this.client.masters) this.ask(address);
  }

  private ask(address: string): void {
    const { client } = this;
    const node = client.nodeByAddress.get(address);
    const health = this.health.get(address) ?? { isAsked: false, silentSince: undefined };
    this.health.set(address, health);
    if (!node || health.isAsked) return;
    health.isAsked = true;
    const failed = () => void (health.silentSince ??= performance.now());
    const answer = Promise.resolve(client.nodeClient(node)).then((it) => it.ping());
    within(this.setup.deadlineMs, answer).catch(failed);
    answer.then(() => (health.silentSince = undefined), failed).finally(() => (health.isAsked = false));
  }

  /** Of the master that has been silent for the longest time. */
  private silentMs(now: number): number {
    const times = this.client.masters.map(({ address }) => this.health.get(address)?.silentSince ?? now);
    return now - Math.min(now, ...times);
  }

  /** Asks who has which slot, and connects anew if that is not whom it is connected to. */
  private async look(): Promise<void> {
    const { urls, boundMs } = this.setup;
    const heard = this.client.masters.filter((node) => !this.health.get(node.address)?.silentSince);
    for (const url of [...heard.map(({ host, port }) => this.urlAt(host, port)), ...urls]) {
      const slots = await this.slotsSeenAt(url).catch(() => undefined);
      if (!slots || slots.length === 0) continue;
      const now = performance.now();
      const waitedMs = Math.min(this.silentMs(now), now - this.openedAt);
      if (this.isOther(slots) || waitedMs > CALL_AGAIN_BOUNDS * boundMs) await this.reopen(url);
      return;
    }
  }

  private isOther(seen: Slots): boolean {
    const { slots } = this.client;
    for (const { from, to, master } of seen) {
      const address = `${master.ip}:${master.port}`;
      for (let slot = from; slot <= to; slot += 1) if (slots[slot]?.master.address !== address) return true;
    }
    return false;
  }

  private async slotsSeenAt(url: string): Promise<Slots> {
    const { connectMs, boundMs } = this.setup;
    const client = createClient({ url, socket: { reconnectStrategy: false, connectTimeout: connectMs } });
    // What it tells of is the rejection.
    client.on('error', () => undefined);
    try {
      await within(connectMs, client.connect());
      return await within(boundMs, client.clusterSlots());
    } finally {
      await client.disconnect().catch(() => undefined);
    }
  }

  private async reopen(url: string): Promise<void> {
    const { boundMs, changed } = this.setup;
    const next = this.open([url]);
    this.old.add(next);
    // It does not resolve as long as one of its nodes is away.
    await within(boundMs, next.client.connect()).catch(() => undefined);
    if (this.closed) return;
    this.old.delete(next);
    if (next.client.masters.length === 0) return next.end();
    const before = this.opened;
    this.opened = next;
    this.openedAt = performance.now();
    changed(next.client);
    // What is under way may still come.
    this.old.add(before);
    setTimeout(() => void before.end().finally(() => this.old.delete(before)), boundMs).unref();
  }

  private open(urls: readonly string[]): Opened {
    const { connectMs, queueLimit, onError } = this.setup;
    let isOver = false;
    const { socket, ...rest } = commonOf(this.setup.urls);
    const client = createCluster({
      rootNodes: urls.map((url) => ({ url })),
      defaults: {
        ...rest,
        disableOfflineQueue: true,
        commandsQueueMaxLength: queueLimit,
        socket: {
          ...socket,
          connectTimeout: connectMs,
          // Without an end of it, what has never been connected could not be closed.
          reconnectStrategy: () => (isOver ? false : 50 + Math.random() * 100),
        },
      },
    }) as unknown as RedisClusterType;
    const end = async () => {
      isOver = true;
      await within(2 * connectMs, client.disconnect()).catch(() => undefined);
    };
    // Without a listener, an error of a connection ends the process.
    client.on('error', (error: unknown) => {
      if (client !== this.opened.client) return;
      onError(error);
      this.askAll();
    });
    return { client, end };
  }

  private urlAt(host: string, port: number): string {
    const url = new URL(this.setup.urls[0]!);
    url.hostname = host.includes(':') ? `[${host}]` : host;
    url.port = String(port);
    return url.href;
  }
}

/** What addresses say beside host and port is so for all nodes: node-redis uses it for those only that it is told of. */
export function commonOf(urls: readonly string[]) {
  const { username, password, protocol } = new URL(urls[0]!);
  return {
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    socket: protocol === 'rediss:' ? { tls: true as const } : {},
  };
}

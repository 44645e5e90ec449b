import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  Guard,
  Keeper,
  ReplicaSet,
  type Keepable,
  type Proxy,
  type ReplicaStatus,
} from '@rookery/devstack/servers';
import { EtcdRegistry } from '@rookery/discovery';
import { ensureTopics } from '@rookery/events';
import { Migrator } from '@rookery/sharding';
import { createLogger, PrometheusMeter } from '@rookery/observability';
import { events, kafkaOf, shardingOptions } from '../app.module.js';
import { loadConfig } from '../config/index.js';
import { migrations } from '../schema.js';
import { startBackingServers, type BackingServers } from './backing-servers.js';
import type { ClusterOptions } from './cluster.options.js';
import { startHaproxyFront, startNginxFront, type Front } from './front.js';
import { Presence } from './presence.js';
import { RequestRates } from './request-rates.js';
import { ScrapeTargets, serveMetrics } from './scrape-targets.js';

export interface ClusterSurroundings {
  readonly options: ClusterOptions;
  /** Folder of data and logs. */
  readonly folder: string;
  /** Of this checkout. */
  readonly root: string;
  /** What replicas get besides what is decided here. */
  readonly environment: NodeJS.ProcessEnv;
  readonly kafkaJars: string;
  /** URLs of shards that are not to be on the embedded PostgreSQL, by their place from 0 on. @default none */
  readonly otherShards?: Readonly<Record<number, string>>;
  /** One line for people. */
  readonly say: (line: string) => void;
}

/** A line of the status table. */
export interface ComponentStatus {
  readonly component: string;
  readonly address: string;
  readonly pid: number | undefined;
  readonly state: string;
  readonly uptimeMs: number | undefined;
  /** Answered since the last look at it, or since it began. */
  readonly requestsPerSecond: number | undefined;
  readonly note: string;
}

/** What a cluster is made of, beside its replicas. */
export interface ClusterParts {
  readonly servers: BackingServers;
  readonly nginx: Proxy;
}

const SERVICE = 'conduit';
/** As src/config has it by default. */
const POOL_MAX = 10;
const REQUEST_DEADLINE_MS = 5_000;
/** The balancer has taken a draining replica out within some 0.3 s; a busy laptop takes longer. */
const DRAIN_DELAY_MS = '2000';
/** In a rollout there is one more, and tools and PostgreSQL itself want some. */
const SPARE_REPLICAS = 1;
const SPARE_CONNECTIONS = 30;
const MOST_REPLICAS = 32;

/** The whole site on this machine. Built up by `start`; whatever of it is there is taken down by `stop`. */
export class RunningCluster {
  private readonly undo: ((hurry: boolean) => Promise<void>)[] = [];
  private readonly startedAt = performance.now();
  private readonly rates = new RequestRates();
  private replicas: ReplicaSet | undefined;
  private presence: Presence | undefined;
  private servers: BackingServers | undefined;
  private fronts: readonly Front[] = [];
  /** Of servers and balancers, by their names. */
  private readonly keepers = new Map<string, Keeper>();
  private starting: Promise<void> = Promise.resolve();
  private readonly listeners = new Set<(line: string) => void>();
  private hurried = false;
  private stopped: Promise<void> | undefined;

  constructor(private readonly surroundings: ClusterSurroundings) {}

  /** `http://127.0.0.1:8080` once it runs. */
  get url(): string {
    return this.fronts[0]!.proxy.url;
  }

  /** For those who try what becomes of the site when a part of it fails. @throws before it runs */
  get parts(): ClusterParts {
    const [front] = this.fronts;
    if (this.servers === undefined || front === undefined) throw new Error('the cluster does not run yet');
    return { servers: this.servers, nginx: front.proxy };
  }

  /** @throws with what failed; `stop` is to be called all the same */
  start(): Promise<void> {
    this.starting = this.build();
    return this.starting;
  }

  private async build(): Promise<void> {
    const { options, folder, kafkaJars, otherShards, say } = this.surroundings;
    const logs = join(folder, 'logs');
    await mkdir(logs, { recursive: true });
    const servers = await startBackingServers({
      ...options,
      folder,
      kafkaJars,
      otherShards,
      maxConnections: this.maxConnections,
    });
    this.servers = servers;
    this.undo.push(() => servers.stop());
    for (const { component, address, note } of this.serversStatus()) say(lineOf(component, address, note));
    this.goOn();
    for (const [name, server] of Object.entries(servers.keepable)) this.keep(name, server);
    await this.prepareSchema(servers);
    this.goOn();

    const meter = new PrometheusMeter();
    const registry = new EtcdRegistry({ endpoints: [servers.etcd.endpoint], meter });
    const presence = new Presence(registry, SERVICE);
    this.presence = presence;
    this.undo.push(async () => {
      presence.stop();
      await registry.close();
    });
    const metrics = await this.beWatched(meter, registry);
    const guard = await Guard.over(join(folder, 'run'));
    this.undo.push(() => guard.release());
    const replicas = this.replicaSet(presence, guard, logs);
    this.undo.push((hurry) => replicas.stop({ hurry }));
    this.replicas = replicas;
    await replicas.scale(options.replicas);
    this.goOn();
    for (const { name, id } of replicas.status) say(lineOf(name, addressOf(presence, id), ''));

    const front = {
      templates: join(this.surroundings.root, 'deploy'),
      service: SERVICE,
      registry,
      deadlineMs: this.deadlineMs,
      logs,
      instances: presence.instances.filter(({ state }) => state === 'up'),
      onEvent: () => presence.changed(),
      meter,
    };
    this.fronts = [await this.add(startNginxFront({ ...front, port: options.port }))];
    if (options.haproxy) {
      const port = options.port === 0 ? 0 : options.port + 1;
      this.fronts = [...this.fronts, await this.add(startHaproxyFront({ ...front, port }))];
    }
    presence.fronts = this.fronts;
    // All of them: the agents have the balancers work by what the registry says.
    const limit = AbortSignal.timeout(30_000);
    await Promise.all(replicas.status.map(({ id }) => presence.whenServing(id, limit)));
    for (const { name, proxy } of this.fronts) say(lineOf(name, proxy.url, 'by deploy/' + name));
    say(
      lineOf(
        'metrics',
        `http://${metrics}/metrics`,
        'of the edge agents; all by deploy/prometheus/cluster.yml',
      ),
    );
  }

  /** Has a Prometheus find the replicas, as the registry knows them, and what is measured here; gives the address of that. */
  private async beWatched(meter: PrometheusMeter, registry: EtcdRegistry): Promise<string> {
    const { folder, say } = this.surroundings;
    const targets = await ScrapeTargets.in(join(folder, 'prometheus'), (error) =>
      say(`Prometheus is not told who is here: ${String(error)}`),
    );
    const server = await serveMetrics(meter);
    this.undo.push(() => server.close());
    await targets.tell('edge', [server.address]);
    const watch = registry.watch(SERVICE, ({ instances }) => {
      void targets.tell(
        'replicas',
        instances.flatMap(({ opsAddress }) => opsAddress ?? []),
      );
    });
    this.undo.push(async () => {
      watch.stop();
      await Promise.all([targets.tell('replicas', []), targets.tell('edge', [])]);
    });
    return server.address;
  }

  async status(): Promise<ComponentStatus[]> {
    const replicas = (this.replicas?.status ?? []).map((replica) => this.replicaStatus(replica));
    return [...this.frontsStatus(), ...(await Promise.all(replicas)), ...this.serversStatus()];
  }

  async scale(count: number): Promise<void> {
    const most = Math.min(MOST_REPLICAS, this.roomFor);
    if (!Number.isInteger(count) || count < 1 || count > most)
      throw new Error(`there may be 1 to ${most} replicas by the connections of PostgreSQL, not ${count}`);
    await this.running.scale(count);
  }

  roll(): Promise<void> {
    return this.running.roll();
  }

  /** Until the function that comes back is called. */
  listen(listener: (line: string) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async kill(name: string): Promise<void> {
    await this.running.kill(name);
  }

  /** In order: balancers, replicas, servers. Again in a hurry: what is under way is cut. One failure keeps nothing else up. */
  stop({ hurry = false }: { readonly hurry?: boolean } = {}): Promise<void> {
    this.hurried ||= hurry;
    if (hurry) void this.replicas?.stop({ hurry }).catch(() => undefined);
    this.stopped ??= this.takeDown();
    return this.stopped;
  }

  /** One that dies by itself comes back by itself. */
  private keep(name: string, server: Keepable): void {
    this.keepers.set(name, new Keeper({ name, server, onEvent: (line) => this.tell(line) }));
  }

  private tell(line: string): void {
    this.surroundings.say(line);
    for (const listener of this.listeners) listener(line);
  }

  private async takeDown(): Promise<void> {
    const failures: unknown[] = [];
    // From here on, nothing that ends is started again.
    await Promise.all([...this.keepers.values()].map((keeper) => keeper.stop()));
    // What is just being started comes to its end first, or nobody would stop it; replicas need not be waited for.
    const started = Promise.allSettled([this.starting]);
    const { replicas } = this;
    if (this.presence?.fronts.length === 0)
      await replicas?.stop({ hurry: true }).catch((error: unknown) => failures.push(error));
    await started;
    for (let step = this.undo.pop(); step; step = this.undo.pop())
      await step(this.hurried).catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw new AggregateError(failures, 'not all of it could be stopped in order');
  }

  /** @throws where it is being stopped again */
  private goOn(): void {
    if (this.stopped !== undefined) throw new Error('stopped before it had started');
  }

  private async add(starting: Promise<Front>): Promise<Front> {
    const front = await starting;
    this.undo.push((hurry) => front.stop({ hurry }));
    this.goOn();
    this.keep(front.name, front.proxy);
    return front;
  }

  /** Once, before any replica asks whether it is what it expects. */
  private async prepareSchema({ environment, kafka }: BackingServers): Promise<void> {
    const { say } = this.surroundings;
    const config = loadConfig({ ...environment, NODE_ENV: 'production' }, false);
    const logger = createLogger({
      service: 'cluster',
      replicaId: 'cluster',
      level: 'error',
      format: 'pretty',
    });
    const { shards, controlUrl } = shardingOptions({ config, shardUrls: config.shardUrls!, logger });
    const steps = await new Migrator({ shards, controlUrl, migrations }).up();
    if (steps.length > 0) say(`applied ${steps.length} migrations`);
    if (!kafka) return;
    const topics = await ensureTopics(events, kafkaOf(config)!, { create: true });
    const made = topics.filter(({ state }) => state === 'created').length;
    if (made > 0) say(`made ${made} topics`);
  }

  private replicaSet(presence: Presence, guard: Guard, logs: string): ReplicaSet {
    const { root, environment } = this.surroundings;
    const { JWT_SECRET: _, PORT: __, ...given } = environment;
    return new ReplicaSet({
      command: [
        process.execPath,
        '--max-old-space-size=256',
        '--enable-source-maps',
        join(root, 'dist/src/main.js'),
      ],
      environment: (id) => ({
        DRAIN_DELAY_MS,
        POOL_MAX: String(this.poolMax),
        ...given,
        ...this.servers!.environment,
        NODE_ENV: 'production',
        HOST: '127.0.0.1',
        PORT: '0',
        OPS_PORT: '0',
        GRPC_PORT: '0',
        TRUST_PROXY: 'true',
        MIGRATIONS: 'check',
        WORKERS: '1',
        REPLICA_ID: id,
      }),
      folder: root,
      logs,
      guard,
      whenServing: (id, signal) => presence.whenServing(id, signal),
      onEvent: (line) => this.tell(line),
    });
  }

  private get running(): ReplicaSet {
    if (this.replicas === undefined || this.presence?.fronts.length === 0)
      throw new Error('the cluster is just being started');
    return this.replicas;
  }

  private get deadlineMs(): number {
    return Number(this.surroundings.environment['REQUEST_DEADLINE_MS']) || REQUEST_DEADLINE_MS;
  }

  private get poolMax(): number {
    return Number(this.surroundings.environment['POOL_MAX']) || POOL_MAX;
  }

  private get maxConnections(): number {
    const { replicas, shards } = this.surroundings.options;
    return Math.max(200, (replicas * 2 + SPARE_REPLICAS) * (this.poolMax + 1) * shards + SPARE_CONNECTIONS);
  }

  private get roomFor(): number {
    const perReplica = (this.poolMax + 1) * this.surroundings.options.shards;
    return Math.floor((this.maxConnections - SPARE_CONNECTIONS) / perReplica) - SPARE_REPLICAS;
  }

  private frontsStatus(): ComponentStatus[] {
    return this.fronts.map(({ name, proxy, status }) => {
      const { peers = [], inStep, note } = status();
      const has = `${peers.filter(({ draining }) => !draining).length} replicas`;
      return {
        component: name,
        address: proxy.url,
        pid: proxy.runs ? proxy.pid : undefined,
        ...this.kept(name, proxy.runs, note ?? has),
        ...(proxy.runs && !inStep && { state: 'behind' }),
        requestsPerSecond: undefined,
      };
    });
  }

  private async replicaStatus({
    name,
    id,
    state,
    pid,
    uptimeMs,
    crashes,
    note,
  }: ReplicaStatus): Promise<ComponentStatus> {
    const instance = this.presence?.instance(id);
    return {
      component: name,
      address: instance?.address ?? '',
      pid,
      state: state === 'up' && instance === undefined ? 'up, not registered' : state,
      uptimeMs: pid === undefined ? undefined : uptimeMs,
      requestsPerSecond: await this.rates.of(id, instance?.opsAddress, uptimeMs),
      note:
        notes(note, endedByItself(crashes)) ||
        (instance?.opsAddress ? `operations ${instance.opsAddress}` : ''),
    };
  }

  /** What there is to say of a server that is kept running; `note` where all is well. */
  private kept(
    name: string,
    runs: boolean,
    note: string,
  ): Pick<ComponentStatus, 'state' | 'uptimeMs' | 'note'> {
    const { state = 'up', uptimeMs = 0, deaths = 0, note: why } = this.keepers.get(name)?.status ?? {};
    return {
      // Ended by whoever tries what becomes of it then.
      state: state === 'up' && !runs ? 'down' : state,
      uptimeMs: runs ? uptimeMs : undefined,
      note: notes(why ?? note, endedByItself(deaths)),
    };
  }

  private serversStatus(): ComponentStatus[] {
    const { servers } = this;
    if (servers === undefined) return [];
    const row = (
      component: string,
      address: string,
      pid: number | undefined,
      note = '',
    ): ComponentStatus => ({
      component,
      address,
      pid,
      ...this.kept(component, pid !== undefined, note),
      requestsPerSecond: undefined,
    });
    const { postgres, etcd, kafka, redis } = servers;
    const { shards } = this.surroundings.options;
    return [
      // A process that others may have started; it is looked after by whoever uses it.
      {
        ...row('postgresql', new URL(postgres.adminUrl).host, undefined, `${shards} shards`),
        state: 'up',
        uptimeMs: performance.now() - this.startedAt,
      },
      row('etcd', etcd.endpoint, etcd.pid),
      ...(kafka ? [row('kafka', kafka.brokers.join(','), kafka.pids[0])] : []),
      ...(redis ? [row('redis', new URL(redis.url).host, redis.pid)] : []),
    ];
  }
}

/** What there is to say of a component, where there is anything. */
function notes(...all: readonly (string | undefined)[]): string {
  return all.filter(Boolean).join('; ');
}

function endedByItself(times: number): string {
  return times === 0 ? '' : `ended by itself: ${times} ×`;
}

function addressOf(presence: Presence, id: string): string {
  const instance = presence.instance(id);
  return instance === undefined ? '' : `http://${instance.address}`;
}

function lineOf(component: string, address: string, note: string): string {
  return `${component.padEnd(12)}${address}${note && `  (${note})`}`;
}

import { randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { devstackErrors } from '../devstack.errors.js';
import type { Keepable } from '../servers/keepable.js';
import { Broker } from './broker.js';
import { freePorts } from './free-ports.js';
import { Guard } from './guard.js';
import { checkKafkaOptions, type KafkaOptions } from './kafka.options.js';
import { HOST, serverProperties } from './server-properties.js';

/**
 * Brokers are named by their place in `brokers`, from 0, which is their `node.id` too. To ask for a change of state that
 * cannot be (to kill what does not run) rejects or throws RK_DEVSTACK_KAFKA_WRONG_STATE: the test is mistaken.
 */
export interface KafkaCluster {
  /** `host:port` of each; the same for as long as the cluster is there. */
  readonly brokers: string[];
  /** Of the process of each; `undefined` while it does not run. */
  readonly pids: readonly (number | undefined)[];
  /** Stops all, in order for as long as there is a majority of controllers, and removes the data. May be called again. */
  stop(): Promise<void>;
  /**
   * Stops one in order: its partitions have other leaders when it has ended.
   * @throws RK_DEVSTACK_KAFKA_STOP_TIMEOUT after 30 s, when it was killed; without a majority of the controllers none stops
   * in order
   */
  stopBroker(i: number): Promise<void>;
  /** SIGKILL; resolves when it is dead. */
  kill(i: number): Promise<void>;
  /** SIGSTOP: it says nothing any more, and its connections stay open. */
  freeze(i: number): void;
  /** SIGCONT, for one that was frozen. */
  thaw(i: number): void;
  /**
   * Starts one that was stopped or killed, on the same data and port; resolves when it takes clients. After `kill`, the
   * controllers let it in when its old session has run out (`broker.session.timeout.ms`).
   * @throws RK_DEVSTACK_KAFKA_START_FAILED, RK_DEVSTACK_KAFKA_START_TIMEOUT
   */
  start(i: number): Promise<void>;
  /** One, as it can be kept running; `start` throws as that above. */
  keepable(i: number): Keepable;
}

const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 30_000;
/** For data that is removed anyway. */
const LAST_STOP_LIMIT_MS = 8_000;

/**
 * Apache Kafka (KRaft) on loopback, for tests and benches: one broker or three, on free ports, with data that is removed at
 * the end, unless they are to be kept. Resolves when all of them take clients. When this process dies, they are killed and the data is removed.
 * Java 17 or newer must be on the path.
 * @throws RK_DEVSTACK_KAFKA_BAD_OPTIONS, RK_DEVSTACK_KAFKA_START_FAILED, RK_DEVSTACK_KAFKA_START_TIMEOUT; nothing is left
 * behind then
 */
export async function startKafka(options: KafkaOptions): Promise<KafkaCluster> {
  await checkKafkaOptions(options);
  const until = performance.now() + (options.startTimeoutMs ?? START_LIMIT_MS);
  for (;;) {
    const cluster = await LocalCluster.prepare(options);
    try {
      await cluster.startAll(until);
      return cluster;
    } catch (error) {
      await cluster.stop();
      // Between its choice and its use another process may take a port.
      if (!cluster.lostAPort || performance.now() > until) throw error;
    }
  }
}

class LocalCluster implements KafkaCluster {
  readonly brokers: string[];
  private stopped: Promise<void> | undefined;

  private constructor(
    private readonly all: readonly Broker[],
    private readonly guard: Guard,
    private readonly startTimeoutMs: number,
    ports: readonly number[],
  ) {
    this.brokers = ports.map((port) => `${HOST}:${port}`);
  }

  static async prepare(options: KafkaOptions): Promise<LocalCluster> {
    const { jars, brokers = 1, properties = {}, startTimeoutMs = START_LIMIT_MS } = options;
    const ports = await freePorts(2 * brokers);
    const clientPorts = ports.slice(0, brokers);
    const nodes = clientPorts.map((client, id) => ({ client, controller: ports[brokers + id]! }));
    const temporary = await mkdtemp(join(resolve(options.dataDir ?? tmpdir()), 'rookery-kafka-'));
    const guard = await Guard.over(temporary);
    const root = options.keepIn === undefined ? temporary : resolve(options.keepIn);
    const all = nodes.map(({ client }, id) => {
      const folder = join(root, `broker-${id}`);
      const text = serverProperties(id, nodes, join(folder, 'data'), properties);
      return new Broker({ id, port: client, jars, folder, properties: text, guard });
    });
    return new LocalCluster(all, guard, startTimeoutMs, clientPorts);
  }

  get pids(): (number | undefined)[] {
    return this.all.map(({ pid }) => pid);
  }

  get lostAPort(): boolean {
    return this.all.some((broker) => broker.lostItsPort);
  }

  async startAll(until: number): Promise<void> {
    const clusterId = randomBytes(16).toString('base64url');
    await this.together((broker) => broker.format(clusterId, until));
    await this.together((broker) => broker.start(until));
  }

  stop(): Promise<void> {
    this.stopped ??= this.stopAll();
    return this.stopped;
  }

  async stopBroker(i: number): Promise<void> {
    if (await this.broker(i).stop(STOP_LIMIT_MS)) return;
    throw devstackErrors.create('KAFKA_STOP_TIMEOUT', {
      data: { broker: i, seconds: STOP_LIMIT_MS / 1000 },
    });
  }

  kill(i: number): Promise<void> {
    return this.broker(i).kill();
  }

  freeze(i: number): void {
    this.broker(i).freeze();
  }

  thaw(i: number): void {
    this.broker(i).thaw();
  }

  async start(i: number): Promise<void> {
    await this.broker(i).start(performance.now() + this.startTimeoutMs);
  }

  keepable(i: number): Keepable {
    return this.broker(i).keepable(this.startTimeoutMs);
  }

  private broker(i: number): Broker {
    const broker = this.all[i];
    if (!broker) throw new RangeError(`there is no broker ${i} among ${this.all.length}`);
    return broker;
  }

  /** Without one of them the others would wait for it until their time is over, so the first fault ends them all. */
  private async together(step: (broker: Broker) => Promise<void>): Promise<void> {
    const faults: unknown[] = [];
    const tries = this.all.map((broker) =>
      step(broker).catch(async (fault: unknown) => {
        faults.push(fault);
        await this.killAll();
      }),
    );
    await Promise.all(tries);
    if (faults.length > 0) throw faults[0];
  }

  private async killAll(): Promise<void> {
    await Promise.all(this.all.filter(({ runs }) => runs).map((broker) => broker.kill()));
  }

  /** A broker leaves in order by telling the controllers, so those who have lost their majority have to be killed. */
  private async stopAll(): Promise<void> {
    for (const broker of this.all.filter(({ frozen }) => frozen)) await broker.kill();
    for (const broker of this.all) {
      if (!broker.runs) continue;
      const running = this.all.filter(({ runs }) => runs).length;
      if (running > this.all.length / 2) await broker.stop(LAST_STOP_LIMIT_MS);
      else await broker.kill();
    }
    await this.guard.release();
  }
}

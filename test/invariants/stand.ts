import type { KafkaCluster } from '@rookery/devstack/testing';
import { ensureTopics, eventsSchema, type KafkaOptions } from '@rookery/events';
import {
  FaultRun,
  recorded,
  recorderSchema,
  testEvents,
  type EventsInternals,
  type FaultReport,
} from '@rookery/events/testing';
import { FaultyLink, testShards } from '@rookery/sharding/testing';
import type { Fault, Transport } from './fault.js';
import { KafkaClusters } from './kafka-clusters.js';
import { PostgresSite } from './postgres-site.js';
import { ReplicaPool } from './replica-pool.js';
import type { ReplicaSetup } from './replica-process.js';
import { Scene } from './scene.js';
import { LEASE_MS, PER_SECOND, SESSION_MS, takenOverMs } from './settings.js';

export interface StandOptions {
  readonly transport: Transport;
  /** @default 10000 */
  readonly openTransactionMs?: number;
}

/** Where faults are tried out: a PostgreSQL server, with Kafka a cluster, and for each fault fresh shards and replicas. */
export class Stand {
  private readonly processes = new ReplicaPool();
  private readonly clusters = new KafkaClusters();
  private runs = 0;

  private constructor(
    private readonly options: StandOptions,
    private readonly postgres: PostgresSite,
  ) {}

  static async start(options: StandOptions): Promise<Stand> {
    return new Stand(options, await PostgresSite.start());
  }

  /** @param internals what is taken from the replicas, to see that it is needed */
  async run(fault: Fault, internals: EventsInternals = {}): Promise<FaultReport> {
    const { postgres, processes } = this;
    const { transport, openTransactionMs = 10_000 } = this.options;
    const kafka = transport === 'kafka' ? await this.clusters.of(fault.brokers ?? 1) : undefined;
    const topics = kafka && (await this.topicsIn(kafka));
    const cluster = await testShards({
      databases: postgres.databases,
      migrations: [...eventsSchema, recorderSchema],
    });
    const links = fault.linked ? await Promise.all(cluster.urls.map((url) => FaultyLink.to(url))) : [];
    const urls = fault.linked ? links.map(({ url }) => url) : cluster.urls;
    const scene = new Scene({
      postgres,
      processes,
      urls: cluster.urls,
      links,
      kafka,
      takenOverMs: takenOverMs[transport],
      openTransactionMs,
      setup: setupOf(fault, urls, topics, internals),
    });
    const publisher = testEvents(cluster.shards, [], { events: [recorded] });
    try {
      await Promise.all(Array.from({ length: fault.replicas ?? 2 }, () => scene.startReplica()));
      const run = new FaultRun({
        shards: cluster.shards,
        perSecond: fault.perSecond ?? PER_SECOND,
        warmUpMs: 500,
        calmMs: 300,
      });
      return await run.under(fault.name, (load) => {
        scene.load = load;
        return fault.inject(scene);
      });
    } catch (error) {
      // Whatever they are at: it is the fault that is told of.
      await scene.killAll();
      throw error;
    } finally {
      await scene.end();
      await publisher.stop();
      await Promise.all(links.map((link) => link.close()));
      await cluster.close();
    }
  }

  async stop(): Promise<void> {
    await this.processes.stop();
    await Promise.all([this.postgres.stop(), this.clusters.stop()]);
  }

  /** Topics and groups of its own for each fault. */
  private async topicsIn({ brokers }: KafkaCluster): Promise<KafkaOptions> {
    this.runs += 1;
    const options = { brokers, topicPrefix: `fault-${this.runs}.`, sessionTimeoutMs: SESSION_MS };
    await ensureTopics([recorded], options, { create: true });
    return options;
  }
}

function setupOf(
  { setup }: Fault,
  urls: readonly string[],
  kafka: KafkaOptions | undefined,
  internals: EventsInternals,
): ReplicaSetup {
  // However long a fault takes on a busy machine, nothing is given up for good.
  const retries = { inPlace: 2, firstWaitMs: 5, parkedWaitMs: 100, parked: 50 };
  const options = { leaseMs: LEASE_MS, pollMs: 250, retries, ...(kafka ? { kafka } : {}) };
  return { ...setup, urls, internals, options: { ...options, ...setup?.options } };
}

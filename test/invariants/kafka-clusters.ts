import { startKafka, type KafkaCluster } from '@rookery/devstack/testing';
import { kafkaJars } from '../../scripts/system-programs.mjs';

/** Three virtual machines start at once, on what may be two cores. */
const START_LIMIT_MS = 100_000;

/** Kafka for nobody but the faults: of one broker and of three, each started when a fault first asks for it. */
export class KafkaClusters {
  private readonly started = new Map<1 | 3, Promise<KafkaCluster>>();

  of(brokers: 1 | 3): Promise<KafkaCluster> {
    let cluster = this.started.get(brokers);
    if (!cluster) {
      cluster = startKafka({ jars: kafkaJars(), brokers, startTimeoutMs: START_LIMIT_MS });
      this.started.set(brokers, cluster);
    }
    return cluster;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.started.values()].map(async (cluster) => (await cluster).stop()));
  }
}

// needs: kafka
import { join } from 'node:path';
import type { KafkaCluster } from '@rookery/devstack/testing';
import { recorderKeys, untilSeen, writeKeys } from '@rookery/events/testing';
import { ReplicaProcess } from '../invariants/replica-process.js';
import { KafkaSite, testKafka } from './support/kafka-site.js';

const ANOTHER_BROKER = join(import.meta.dirname, 'support/another-broker.mjs');
/** Far more than a stop takes; one that spins never ends. */
const STOP_LIMIT_MS = 60_000;

describe('a replica that handles events by Kafka', () => {
  let cluster: KafkaCluster;
  let site: KafkaSite;
  let replica: ReplicaProcess;
  beforeAll(async () => {
    cluster = await testKafka();
    site = await KafkaSite.make(cluster.brokers);
    await site.createTopics();
    replica = await ReplicaProcess.spawn([ANOTHER_BROKER]);
  });
  afterAll(async () => {
    await replica?.kill();
    await site?.close();
    await cluster?.stop();
  });

  it(
    'stops while the brokers change',
    async () => {
      await replica.serve({ urls: site.databases.urls, options: { kafka: site.kafka } });
      const over = new AbortController();
      const keys = recorderKeys(20);
      const load = { shards: site.shards, keys, writers: 4, perSecond: 40 };
      await writeKeys({ ...load, writes: 40 });
      for (const group of ['one', 'many']) expect(await untilSeen(site.shards, group, 40_000)).toBe(true);
      // Whoever fetches from the broker that leads them sees the change first, since there is always something.
      const writing = writeKeys({ ...load, signal: over.signal });
      try {
        await replica.tell({ anotherBroker: true }, 'resting while the brokers changed');
      } finally {
        over.abort();
        await writing;
      }
    },
    STOP_LIMIT_MS,
  );
});

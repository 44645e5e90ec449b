// needs: kafka
import type { KafkaCluster } from '@rookery/devstack/testing';
import { groupsOnShard, replayFrom } from '@rookery/events';
import { handling, recorded, recorderKeys } from '@rookery/events/testing';
import { until } from '../support/until.js';
import { KafkaSite, testKafka } from './support/kafka-site.js';

const GROUP = 'again';
const LIMIT_MS = 60_000;

describe('a group that consumes Kafka', () => {
  let cluster: KafkaCluster;
  let site: KafkaSite;
  const keys = recorderKeys(20);
  /** Versions of each key in the order in which the group had their effects. */
  const had = new Map<string, number[]>(keys.map((key) => [key, []]));
  const handlers = [
    handling(recorded, { group: GROUP }, ({ data: { key, version } }, tx) => {
      tx.afterCommit(() => had.get(key)!.push(version));
      return Promise.resolve();
    }),
  ];
  beforeAll(async () => {
    cluster = await testKafka();
    site = await KafkaSite.make(cluster.brokers);
    await site.createTopics();
  });
  afterAll(async () => {
    await site?.close();
    await cluster?.stop();
  });

  const write = async (versions: readonly number[]): Promise<void> => {
    for (const version of versions)
      for (const key of keys)
        await site.shards.transaction(key, async (tx) => tx.publish(recorded({ key, version, writer: 0 })));
  };
  const all = (versions: readonly number[]) => new Map(keys.map((key) => [key, versions]));
  const untilHad = (count: number): Promise<void> =>
    until(
      `${count} effects of each key`,
      () => Promise.resolve([...had.values()].every(({ length }) => length >= count)),
      LIMIT_MS,
    );

  // The way that docs/guides/events.md describes.
  it('handles the past again by way of the log, in order, and goes on with Kafka behind it', async () => {
    const byKafka = await site.replica({}, handlers);
    await write([1, 2, 3]);
    await untilHad(3);
    await site.stop(byKafka);

    const byLog = await site.replica({ kafka: undefined }, handlers);
    await until(
      'lanes of the log',
      () => Promise.resolve(Object.values(byLog.lanes()).every((lanes) => lanes[GROUP]?.length === 16)),
      LIMIT_MS,
    );
    await write([4]);
    await untilHad(4);
    // What it had by Kafka it did not have again.
    expect(had).toEqual(all([1, 2, 3, 4]));
    await replayFrom(site.shards, GROUP, new Date(Date.now() - 3_600_000));
    await untilHad(8);
    const behind = async (): Promise<number> => {
      const groups = await Promise.all(
        site.shards.shardNames.map((shard) => groupsOnShard(site.shards, shard)),
      );
      const own = groups.flat().filter(({ group }) => group === GROUP);
      return own.reduce((sum, group) => sum + group.behind!.events, 0);
    };
    await until('the group to be nowhere behind', async () => (await behind()) === 0, LIMIT_MS);
    await site.stop(byLog);

    const byKafkaAgain = await site.replica({}, handlers);
    // Of each key it comes by Kafka behind what was published meanwhile.
    await write([5]);
    await untilHad(9);
    expect(had).toEqual(all([1, 2, 3, 4, 1, 2, 3, 4, 5]));
    await site.stop(byKafkaAgain);
  }, 300_000);

  it('passes over nothing of a topic that was made again while it was stopped, however far that one is', async () => {
    const before = await site.offsets();
    await site.deleteTopic();
    await until(
      'the topic to be gone',
      () =>
        site.offsets().then(
          () => false,
          () => true,
        ),
      LIMIT_MS,
    );
    await site.createTopics();
    const relay = await site.replica({ events: [recorded] }, []);
    const versions = [6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17];
    await write(versions);
    await until(
      'the new topic to be further than the old one was',
      async () => (await site.offsets()).every((end, partition) => end >= before[partition]!),
      LIMIT_MS,
    );
    await site.stop(relay);
    for (const list of had.values()) list.length = 0;
    await site.replica({}, handlers);
    await untilHad(versions.length);
    expect(had).toEqual(all(versions));
  }, 300_000);
});

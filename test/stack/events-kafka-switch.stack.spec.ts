// needs: kafka
import type { KafkaCluster } from '@rookery/devstack/testing';
import { recorderKeys, writeKeys } from '@rookery/events/testing';
import { until } from '../support/until.js';
import { KafkaSite, NOTHING_WRONG, testKafka } from './support/kafka-site.js';

describe('a site that goes from the log to Kafka and back', () => {
  let cluster: KafkaCluster;
  let site: KafkaSite;
  let written = 0;
  const keys = recorderKeys(50);
  beforeAll(async () => {
    cluster = await testKafka();
    site = await KafkaSite.make(cluster.brokers);
    await site.createTopics();
  });
  afterAll(async () => {
    await site?.close();
    await cluster?.stop();
  });

  const log = () => site.replica({ kafka: undefined });
  const kafka = () => site.replica();
  const load = async (writes: number, perSecond: number): Promise<void> => {
    const { failed } = await writeKeys({ shards: site.shards, keys, writers: 16, writes, perSecond });
    expect(failed).toBe(0);
    written += writes;
  };
  const expectAll = async (): Promise<void> => {
    for (const group of ['one', 'many']) {
      expect(await site.verdict(group, 30_000)).toMatchObject({ written, seen: written, ...NOTHING_WRONG });
    }
  };
  const inTopic = async (): Promise<number> => (await site.offsets()).reduce((sum, n) => sum + n, 0);

  it('loses, repeats and inverts nothing, whoever reads the log or the topics meanwhile', async () => {
    const [a, b] = [await log(), await log()];
    await load(500, 1_000);
    await expectAll();

    // Replica by replica, while writes go on: both transports are in use at once.
    let writing = load(1_500, 300);
    await site.stop(b);
    const c = await kafka();
    await until('events by Kafka', async () => (await inTopic()) > 800, 30_000);
    await site.stop(a);
    const d = await kafka();
    await writing;
    await expectAll();
    // All that the log held has gone that way, too.
    expect(await inTopic()).toBeGreaterThanOrEqual(2_000);

    await load(500, 500);
    await expectAll();

    writing = load(1_500, 300);
    await site.stop(c);
    const e = await log();
    await until(
      'lanes of the log',
      () => Promise.resolve(Object.values(e.lanes()).every(({ one }) => one?.length === 16)),
      30_000,
    );
    await site.stop(d);
    await log();
    await writing;
    await expectAll();

    const before = await inTopic();
    await load(300, 500);
    await expectAll();
    expect(await inTopic()).toBe(before);

    // And once more: the relay goes on where it was.
    await site.stop(e);
    await kafka();
    await load(300, 500);
    await expectAll();
    await until('what was written without it', async () => (await inTopic()) >= written);
    await expectAll();
  }, 300_000);
});

// needs: kafka
import type { KafkaCluster } from '@rookery/devstack/testing';
import type { Events } from '@rookery/events';
import { recorderKeys, untilSeen, verdictOn, writeKeys } from '@rookery/events/testing';
import type { Id } from '@rookery/kernel';
import { until } from '../support/until.js';
import { KafkaSite, NOTHING_WRONG, testKafka } from './support/kafka-site.js';

/** Consumers that have failed again and again wait for some seconds between two tries. */
const WELL_LIMIT_MS = 40_000;
const LIMIT_MS = 240_000;

describe('events by a Kafka that goes and comes', () => {
  let cluster: KafkaCluster;
  let site: KafkaSite;
  beforeAll(async () => {
    cluster = await testKafka();
  });
  afterAll(() => cluster?.stop());
  beforeEach(async () => {
    site = await KafkaSite.make(cluster.brokers, { requestTimeoutMs: 3_000 });
    await site.createTopics();
  });
  afterEach(() => site?.close());

  const load = (writes: number, perSecond: number) =>
    writeKeys({ shards: site.shards, keys: recorderKeys(50), writers: 16, writes, perSecond });
  const codes = async (events: Events): Promise<string[]> => {
    const { status, details } = await events.probe.check(1_000);
    const trouble = (details?.kafka ?? []) as readonly { code: string }[];
    return status === 'up' ? [] : trouble.map(({ code }) => code);
  };
  /** Parts of a replica that know that a topic of theirs is gone. */
  const missingFor = async (events: Events): Promise<string[]> => {
    const { details } = await events.probe.check(1_000);
    const trouble = (details?.kafka ?? []) as readonly { part: string; code: string }[];
    return trouble.filter(({ code }) => code === 'RK_EVENTS_UNKNOWN_TOPIC').map(({ part }) => part);
  };
  const expectAll = async (written: number): Promise<void> => {
    for (const group of ['one', 'many']) {
      expect(await site.verdict(group, 40_000)).toMatchObject({ written, seen: written, ...NOTHING_WRONG });
    }
  };

  it(
    'keep nobody from starting or writing while it is away, and are delivered when it is there',
    async () => {
      await cluster.stopBroker(0);
      const began = performance.now();
      const events = await site.replica();
      // Whoever waited for Kafka would wait for ever.
      expect(performance.now() - began).toBeLessThan(30_000);
      expect(await codes(events)).toContain('RK_EVENTS_KAFKA_AWAY');
      const { failed } = await load(300, 300);
      expect(failed).toBe(0);
      await cluster.start(0);
      await expectAll(300);
      await until('the replica to be well', async () => (await codes(events)).length === 0, WELL_LIMIT_MS);
    },
    LIMIT_MS,
  );

  it(
    'are none of them lost, applied twice or out of order by two replicas when it is stopped and started',
    async () => {
      const first = await site.replica();
      await site.replica();
      const writing = load(3_000, 250);
      await until('some to be delivered', async () => (await site.verdict('one', 0)).seen > 300);
      await cluster.stopBroker(0);
      await until('the relay to tell', async () => (await codes(first)).includes('RK_EVENTS_KAFKA_AWAY'));
      await cluster.start(0);
      await until('delivery to go on', async () => (await site.verdict('one', 0)).lost < 200, 40_000);
      await cluster.kill(0);
      await cluster.start(0);
      const { failed } = await writing;
      expect(failed).toBe(0);
      await expectAll(3_000);
      await until('the replica to be well', async () => (await codes(first)).length === 0, WELL_LIMIT_MS);
    },
    LIMIT_MS,
  );

  it(
    'are none of them lost, applied twice or out of order when it freezes for a while',
    async () => {
      const first = await site.replica();
      await site.replica();
      const writing = load(2_000, 200);
      await until('some to be delivered', async () => (await site.verdict('one', 0)).seen > 300);
      cluster.freeze(0);
      // Longer than requests may take, and than a session lasts.
      await new Promise((resolve) => setTimeout(resolve, 8_000));
      cluster.thaw(0);
      const { failed } = await writing;
      expect(failed).toBe(0);
      await expectAll(2_000);
      await until('the replica to be well', async () => (await codes(first)).length === 0, WELL_LIMIT_MS);
    },
    LIMIT_MS,
  );

  it(
    'are held back, and told of, while their topic is gone; and go on when it is there again',
    async () => {
      const events = await site.replica();
      const [before, after] = [recorderKeys(20), recorderKeys(20)];
      const write = (keys: Id[], writes: number) =>
        writeKeys({ shards: site.shards, keys, writers: 4, writes, perSecond: 200 });
      await write(before, 50);
      await expectAll(50);
      await site.deleteTopic();
      // What the topic had taken goes with it, whoever had it acknowledged. A topic that is made again before a consumer has
      // noticed is to it the one it knew, and is read from where it was in that one.
      await until(
        'the relay and both consumers to tell',
        async () => {
          await write(before, 1);
          const parts = await missingFor(events);
          return ['group one', 'group many', 'relay'].every((part) =>
            parts.some((one) => one.startsWith(part)),
          );
        },
        60_000,
      );
      await write(after, 100);
      await site.createTopics();
      for (const group of ['one', 'many']) {
        await untilSeen(site.shards, group, 40_000, after);
        expect(await verdictOn(site.shards, group, after)).toMatchObject({ seen: 100, ...NOTHING_WRONG });
      }
      await until('the replica to be well', async () => (await codes(events)).length === 0, WELL_LIMIT_MS);
    },
    LIMIT_MS,
  );
});

// needs: kafka
import type { KafkaCluster } from '@rookery/devstack/testing';
import { ensureTopics } from '@rookery/events';
import { handling, record, recorded, recorderKeys, writeKeys } from '@rookery/events/testing';
import type { Id } from '@rookery/kernel';
import { until } from '../support/until.js';
import { KafkaSite, NOTHING_WRONG, testKafka } from './support/kafka-site.js';

const GROUPS = ['one', 'many'];

describe('events by Kafka', () => {
  let cluster: KafkaCluster;
  let site: KafkaSite;
  beforeAll(async () => {
    cluster = await testKafka();
  });
  afterAll(() => cluster?.stop());
  beforeEach(async () => {
    // Handlers that a busy machine holds up for seconds are waited for, and not told of, when partitions change hands.
    site = await KafkaSite.make(cluster.brokers, { sessionTimeoutMs: 12_000 });
  });
  afterEach(() => site?.close());

  const load = (writes: number, perSecond?: number) =>
    writeKeys({
      shards: site.shards,
      keys: recorderKeys(50),
      writers: 16,
      writes,
      ...(perSecond ? { perSecond } : {}),
    });
  const expectAll = async (written: number): Promise<void> => {
    for (const group of GROUPS) {
      expect(await site.verdict(group)).toMatchObject({ written, seen: written, ...NOTHING_WRONG });
    }
  };

  it('are none of them lost, applied twice or out of order by two replicas while transactions dawdle', async () => {
    await site.createTopics();
    const first = await site.replica();
    await site.replica();
    const { failed } = await load(2_000);
    expect(failed).toBe(0);
    await expectAll(2_000);
    await until('the replica to be well', async () => (await first.probe.check(1_000)).status === 'up');
    expect(site.warnings).toEqual([]);
  });

  it('go on, none lost, repeated or inverted, while replicas come and go', async () => {
    await site.createTopics();
    await site.replica();
    const over = new AbortController();
    const writing = writeKeys({
      shards: site.shards,
      keys: recorderKeys(50),
      writers: 16,
      perSecond: 200,
      signal: over.signal,
    });
    try {
      for (let turn = 0; turn < 3; turn++) {
        const other = await site.replica();
        await until('the newcomer to have half of the lanes', () =>
          Promise.resolve(Object.values(other.lanes()).every(({ kafka }) => (kafka?.length ?? 0) === 8)),
        );
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        await site.stop(other);
      }
    } finally {
      over.abort();
      await writing;
    }
    const { acknowledged, failed } = await writing;
    expect(failed).toBe(0);
    await expectAll(acknowledged);
    // Whoever leaves drains and commits before: nobody takes what it had under way for its own.
    expect(site.warnings).toEqual([]);
  });

  it('need their topics: a start without them fails, saying how to make them', async () => {
    const code = 'RK_EVENTS_UNKNOWN_TOPIC';
    const topic = `${site.kafka.topicPrefix}rookery.recorder`;
    await expect(site.replica()).rejects.toMatchObject({
      code,
      message: `Kafka does not have ${topic}: make the topics with \`rookery events topics\``,
    });
  });

  it('have topics that are made once, and compared afterwards', async () => {
    const wanted = { partitions: { wanted: 16 }, retentionMs: { wanted: 7 * 86_400_000 } };
    const topic = `${site.kafka.topicPrefix}rookery.recorder`;
    const states = async (create: boolean) => ensureTopics([recorded], site.kafka, { create });
    expect(await states(false)).toMatchObject([{ topic, ...wanted, state: 'missing' }]);
    expect(await states(true)).toMatchObject([{ topic, ...wanted, state: 'created' }]);
    const there = { partitions: { there: 16 }, retentionMs: { there: 7 * 86_400_000 } };
    expect(await states(true)).toMatchObject([{ topic, ...there, state: 'ok' }]);
    const more = { ...recorded, topic: { ...recorded.topic, partitions: 32 } };
    expect(await ensureTopics([more as typeof recorded], site.kafka, { create: true })).toMatchObject([
      { topic, partitions: { wanted: 32, there: 16 }, state: 'differs' },
    ]);
  });

  it('are parked by key when their handler fails, and applied in order when it does not any more', async () => {
    await site.createTopics();
    const keys = recorderKeys(10);
    let broken = true;
    const failing = handling(recorded, { group: 'one' }, async (event, tx) => {
      if (broken && event.key === keys[3]) throw new Error('not yet');
      await record.one('one')(event, tx);
    });
    const retries = { inPlace: 1, parkedWaitMs: 200, parked: 50 };
    await site.replica({ retries }, [failing]);
    const second = await site.replica({ retries }, [failing]);
    await writeKeys({ shards: site.shards, keys, writers: 8, writes: 300 });
    await until('all of the key to be parked', async () => (await site.parked('one')).length > 5);
    // Whoever has the key's partition next learns what is parked, and goes on with it.
    await site.stop(second);
    broken = false;
    await site.replica({ retries }, [failing]);
    expect(await site.verdict('one')).toMatchObject({ written: 300, seen: 300, ...NOTHING_WRONG });
    await until('nothing to be parked any more', async () => (await site.parked('one')).length === 0);
  });

  it('that may have ended their process are counted, and parked after the third time', async () => {
    await site.createTopics();
    let [hangs, underWay] = [false, false];
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const handlers = [
      // Nothing but the test ends it before its replica has let go.
      handling(recorded, { group: 'one', timeoutMs: 90_000 }, async (event, tx) => {
        if (hangs) {
          underWay = true;
          await ended;
          throw new Error('gone');
        }
        await record.one('one')(event, tx);
      }),
    ];
    const [key] = recorderKeys(1) as [Id];
    const write = () => writeKeys({ shards: site.shards, keys: [key], writers: 1, writes: 1 });
    const triedBefore = () =>
      site.shards.query(key, {
        text: `INSERT INTO rookery_suspect (event_id, grp, tries)
               SELECT id, 'one', 3 FROM rookery_event ORDER BY seq DESC LIMIT 1`,
      });

    // Its first replica ends in order: nothing is suspect, whatever was counted.
    const first = await site.replica({}, handlers);
    await write();
    expect(await site.verdict('one')).toMatchObject({ seen: 1, ...NOTHING_WRONG });
    await site.stop(first);
    await write();
    await triedBefore();
    const second = await site.replica({}, handlers);
    expect(await site.verdict('one')).toMatchObject({ seen: 2, ...NOTHING_WRONG });

    // The second one is gone in the middle of an event.
    hangs = true;
    await write();
    await until('the event to be under way', () => Promise.resolve(underWay));
    const stopping = site.stop(second);
    const letsGo = 'group one lets go of partitions while 1 handlers are under way';
    await until('it to let go', () => Promise.resolve(site.warnings.includes(letsGo))).finally(end);
    await stopping;
    hangs = false;
    await triedBefore();
    await site.replica({}, handlers);
    await until('the event to be parked', async () => (await site.parked('one')).length === 1);
    expect(await site.parked('one')).toMatchObject([{ key, code: 'RK_EVENTS_KILLED_THE_PROCESS' }]);
  });

  it('of types that only a newer version handles go to that one', async () => {
    await site.createTopics();
    await site.replica({ events: [recorded] }, []);
    await site.replica();
    await load(500);
    await expectAll(500);
  });
});

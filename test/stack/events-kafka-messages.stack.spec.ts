// needs: kafka
import type { KafkaCluster } from '@rookery/devstack/testing';
import { defineEvent, ensureTopics, type Events } from '@rookery/events';
import { handling } from '@rookery/events/testing';
import { newId, type Id } from '@rookery/kernel';
import { CloudEvent, Kafka as CloudEventsKafka } from 'cloudevents';
import { ConfigResourceTypes, Kafka, logLevel, Partitioners, type IHeaders, type Message } from 'kafkajs';
import { z } from 'zod';
import { until } from '../support/until.js';
import { KafkaSite, testKafka } from './support/kafka-site.js';

const noted = defineEvent({
  type: 'test.note.taken',
  key: ({ key }) => key,
  schema: z.object({ key: z.string(), n: z.number().int(), text: z.string().default('') }),
});
const GROUP = 'readers';

/** The attributes that an event has, of all that there may be. */
const given = (headers: object): IHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));

describe('messages of Kafka', () => {
  let cluster: KafkaCluster;
  let client: Kafka;
  let site: KafkaSite;
  let topic: string;
  let seen: { key: string; n: number; headers: Readonly<Record<string, string>> }[];
  beforeAll(async () => {
    cluster = await testKafka();
    // Those who may not try again have the time for one try.
    const connectionTimeout = 30_000;
    client = new Kafka({ brokers: [...cluster.brokers], logLevel: logLevel.NOTHING, connectionTimeout });
  });
  afterAll(() => cluster?.stop());
  beforeEach(async () => {
    site = await KafkaSite.make(cluster.brokers, { source: 'https://site.test' });
    topic = `${site.kafka.topicPrefix}test.note`;
    seen = [];
    await ensureTopics([noted], site.kafka, { create: true });
  });
  afterEach(() => site?.close());

  const reader = (): Promise<Events> =>
    site.replica({ retries: { inPlace: 1, parkedWaitMs: 200, parked: 30 } }, [
      handling(noted, { group: GROUP }, ({ data, headers }, tx) => {
        tx.afterCommit(() => seen.push({ key: data.key, n: data.n, headers }));
        return Promise.resolve();
      }),
    ]);
  const take = (key: Id, n: number, text = ''): Promise<void> =>
    site.shards.transaction(key, (tx) => {
      tx.publish(noted({ key, n, text }));
      return Promise.resolve();
    });
  const seenOf = (key: string): number[] => seen.filter((one) => one.key === key).map(({ n }) => n);
  /** Idempotent, since what is asserted is what arrives: a request that is sent again is not to be there twice. */
  const send = async (messages: Message[]): Promise<void> => {
    const producer = client.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      idempotent: true,
      maxInFlightRequests: 1,
    });
    await producer.connect();
    await producer.send({ topic, messages });
    await producer.disconnect();
  };
  /** Says what is parked, and what the site had to say, where that many never are. */
  const untilParked = async (count: number): Promise<void> => {
    const enough = async () => (await site.parked(GROUP)).length >= count;
    await until('all to be parked', enough).catch(async (cause: unknown) => {
      const told = { parked: await site.parked(GROUP), seen, warnings: site.warnings };
      throw new Error(`not all are parked: ${JSON.stringify(told, null, 2)}`, { cause });
    });
  };
  const limitTo = async (bytes: number): Promise<void> => {
    const admin = client.admin();
    await admin.connect();
    const [name, value] = ['max.message.bytes', String(bytes)];
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ ...resource, configEntries: [{ name, value }] }],
    });
    // The controller has it first.
    await until('the broker to go by the limit', async () => {
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ ...resource, configNames: [name] }],
      });
      return resources[0]!.configEntries[0]!.configValue === value;
    });
    await admin.disconnect();
  };

  it('are taken by every partition of a topic that was just made, at the first try', async () => {
    const producer = client.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      retry: { retries: 0 },
    });
    await producer.connect();
    try {
      for (let i = 0; i < 5; i++) {
        const kafka = { ...site.kafka, topicPrefix: `${site.kafka.topicPrefix}${i}.` };
        await ensureTopics([noted], kafka, { create: true });
        const messages = Array.from({ length: 16 }, (_, partition) => ({ value: 'x', partition }));
        await producer.send({ topic: `${kafka.topicPrefix}test.note`, messages });
      }
    } finally {
      await producer.disconnect();
    }
  });

  it('that no broker takes are parked with what follows them, while all others flow; and leave in order later', async () => {
    await limitTo(4_000);
    await reader();
    const keys = Array.from({ length: 12 }, (_, i) => newId(i * 300));
    const big = keys[5]!;
    for (const key of keys) await take(key, 1);
    await Promise.all(keys.map((key) => take(key, 2, key === big ? 'x'.repeat(5_000) : '')));
    await Promise.all(keys.map((key) => take(key, 3)));
    await until('all but what cannot be sent', () => Promise.resolve(seen.length === 34));
    expect(keys.map(seenOf)).toEqual(keys.map((key) => (key === big ? [1] : [1, 2, 3])));
    await until('both of it to be parked', async () => (await site.parked('kafka')).length === 2);
    expect(await site.parked('kafka')).toMatchObject([
      { key: big, code: 'RK_EVENTS_KAFKA_TOO_LARGE' },
      { key: big, code: null, state: 'waiting' },
    ]);
    await limitTo(1_000_000);
    await until('what could not be sent', () => Promise.resolve(seen.length === 36));
    expect(seenOf(big)).toEqual([1, 2, 3]);
    await take(big, 4);
    await until('what comes after', () => Promise.resolve(seenOf(big).length === 4));
    await until('nothing to be parked', async () => (await site.parked('kafka')).length === 0);
  });

  it('that nobody can read are parked with their bytes, and what follows under their key behind them', async () => {
    await reader();
    const key = newId(5);
    const bytes = Buffer.from([0xff, 0, 0x7b]);
    await send([
      { key, value: bytes },
      { key, value: '{"not": "ours"}', headers: { ce_specversion: '1.0', ce_id: '1', ce_source: '/x' } },
      // With a place: without one, a request that is sent again would leave them in another.
      { key: null, value: 'nothing of a CloudEvent', partition: 3 },
      { key: null, value: null, partition: 4 },
    ]);
    await take(key, 1);
    const other = newId(6);
    await take(other, 1);
    await until('another key', () => Promise.resolve(seenOf(other).length === 1));
    await untilParked(5);
    const parked = await site.parked(GROUP);
    expect(parked).toHaveLength(5);
    expect(parked.filter((one) => one.key === key)).toMatchObject([
      { code: 'RK_EVENTS_UNDECODABLE', type: 'undecodable', payload: bytes.toString('base64') },
      { code: 'RK_EVENTS_UNDECODABLE', payload: btoa('{"not": "ours"}') },
      { code: null, type: noted.type },
    ]);
    expect(
      parked
        .filter((one) => one.key !== key)
        .map(({ payload }) => atob(payload))
        .sort(),
    ).toEqual(['', 'nothing of a CloudEvent']);
    expect(seen).toHaveLength(1);
  });

  it('of another producer of CloudEvents are handled, each once, in both modes', async () => {
    await reader();
    const event = (n: number, id: string) =>
      new CloudEvent({
        type: noted.type,
        source: '/elsewhere',
        id,
        data: { key: 'theirs', n },
        datacontenttype: 'application/json',
        partitionkey: 'theirs',
      });
    const binary = (n: number, id: string): Message => {
      const { key, value, headers } = CloudEventsKafka.binary(event(n, id));
      return { key: String(key), value: JSON.stringify(value), headers: given(headers) };
    };
    const structured = (n: number, id: string): Message => {
      const { key, value, headers } = CloudEventsKafka.structured(event(n, id));
      return { key: String(key), value: String(value), headers: given(headers) };
    };
    const again = binary(1, 'a');
    await send([
      again,
      structured(2, 'b'),
      again,
      binary(3, 'c'),
      { ...again, value: '{"key":"theirs","n":9}' },
    ]);
    await until('three', () => Promise.resolve(seenOf('theirs').length >= 3));
    await send([binary(4, 'd')]);
    await until('a fourth', () => Promise.resolve(seenOf('theirs').length >= 4));
    expect(seenOf('theirs')).toEqual([1, 2, 3, 4]);
    expect(seen[0]!.headers).toMatchObject({ id: 'a', source: '/elsewhere' });
  });

  it('of this site are read by another reader of CloudEvents', async () => {
    await reader();
    const key = newId(7);
    await take(key, 1, 'čau');
    const consumer = client.consumer({ groupId: `${topic}.others`, maxWaitTimeInMs: 100 });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    let read: CloudEvent | undefined;
    await consumer.run({
      eachMessage: ({ message }) => {
        const headers = Object.fromEntries(
          Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]),
        );
        const text = message.value!.toString();
        read = CloudEventsKafka.toEvent({
          headers,
          key: String(message.key),
          value: text,
          body: text,
        } as never) as CloudEvent;
        return Promise.resolve();
      },
    });
    await until('the event', () => Promise.resolve(read !== undefined));
    await consumer.disconnect();
    expect(read).toMatchObject({
      specversion: '1.0',
      type: noted.type,
      source: 'https://site.test',
      partitionkey: key,
      dataversion: '1',
      datacontenttype: 'application/json',
    });
    expect(typeof read!.data === 'string' ? JSON.parse(read!.data) : read!.data).toEqual({
      key,
      n: 1,
      text: 'čau',
    });
    expect(read!.validate()).toBe(true);
  });
});

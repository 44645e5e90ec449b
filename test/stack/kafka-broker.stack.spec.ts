// needs: kafka
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startKafka, type KafkaCluster, type KafkaOptions } from '@rookery/devstack/testing';
import { Kafka, logLevel, Partitioners, type Producer, type RetryOptions } from 'kafkajs';
import { kafkaJars } from '../../scripts/system-programs.mjs';
import { until } from '../support/until.js';

const jars = kafkaJars();
const dataDir = mkdtempSync(join(tmpdir(), 'rookery-broker-spec-'));
afterAll(() => rmSync(dataDir, { recursive: true }));

const start = (options?: Partial<KafkaOptions>): Promise<KafkaCluster> =>
  startKafka({ jars, dataDir, startTimeoutMs: 100_000, ...options });
const leftBehind = (): string[] => readdirSync(dataDir);

function clientOf({ brokers }: KafkaCluster): Kafka {
  // A broker that starts is back in seconds: tried often, rather than at growing distances.
  const retry = { initialRetryTime: 100, maxRetryTime: 300, retries: 100 };
  return new Kafka({ clientId: 'broker-spec', brokers, logLevel: logLevel.NOTHING, retry });
}

async function createTopic(kafka: Kafka, topic: string): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic }], waitForLeaders: false, timeout: 30_000 });
  // The controllers have it before the brokers tell of it.
  await until(`${topic} to be served`, () =>
    admin.fetchTopicOffsets(topic).then(
      () => true,
      () => false,
    ),
  );
  await admin.disconnect();
}

async function openProducer(kafka: Kafka, retry?: RetryOptions): Promise<Producer> {
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    idempotent: true,
    maxInFlightRequests: 1,
    ...(retry && { retry }),
  });
  await producer.connect();
  return producer;
}

/** Resolves when all in-sync replicas have said that they have it. */
async function send(producer: Producer, topic: string, value: string): Promise<void> {
  await producer.send({ topic, acks: -1, messages: [{ key: 'key', value }] });
}

async function sendAll(kafka: Kafka, topic: string, values: readonly string[]): Promise<void> {
  const producer = await openProducer(kafka);
  for (const value of values) await send(producer, topic, value);
  await producer.disconnect();
}

/** What a new group reads, until it has read `count`. */
async function read(kafka: Kafka, topic: string, count: number): Promise<(string | undefined)[]> {
  // To leave, kafkajs waits for the answer to what it has asked.
  const consumer = kafka.consumer({ groupId: `readers of ${topic}`, maxWaitTimeInMs: 100 });
  const values: (string | undefined)[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: ({ message }) => {
      values.push(message.value?.toString());
      return Promise.resolve();
    },
  });
  await until(`${count} messages of ${topic}`, () => Promise.resolve(values.length >= count), 60_000);
  await consumer.disconnect();
  return values;
}

/** Which brokers are up, as the cluster itself sees it: it misses for a moment one that a busy machine holds up. */
async function expectMembers(kafka: Kafka, wanted: readonly number[]): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  let seen: number[] = [];
  await until('all members to be seen', async () => {
    const { brokers } = await admin.describeCluster();
    seen = brokers.map(({ nodeId }) => nodeId).sort((one, other) => one - other);
    return seen.join() === wanted.join();
  }).catch((cause: unknown) => {
    throw new Error(`the members are ${seen.join()}, not ${wanted.join()}`, { cause });
  });
  await admin.disconnect();
}

describe('one Kafka broker', () => {
  let cluster: KafkaCluster;
  let kafka: Kafka;
  beforeAll(async () => {
    cluster = await start();
    kafka = clientOf(cluster);
  });
  afterAll(() => cluster?.stop());

  it('takes messages and gives them back in order', async () => {
    await createTopic(kafka, 'round-trip');
    await sendAll(kafka, 'round-trip', ['one', 'two', 'three']);
    expect(await read(kafka, 'round-trip', 3)).toEqual(['one', 'two', 'three']);
  });

  it('does not make a topic because somebody mistyped its name', async () => {
    const producer = await openProducer(kafka, { retries: 1 });
    await expect(send(producer, 'mistyped', 'lost')).rejects.toThrow(
      'This server does not host this topic-partition',
    );
    await producer.disconnect();
  });

  it('has what it acknowledged when it is killed and started again, on the same port', async () => {
    await createTopic(kafka, 'killed');
    await sendAll(kafka, 'killed', ['before']);
    await cluster.kill(0);
    await expect(cluster.kill(0)).rejects.toMatchObject({ code: 'RK_DEVSTACK_KAFKA_WRONG_STATE' });
    await cluster.start(0);
    await expect(cluster.start(0)).rejects.toMatchObject({ code: 'RK_DEVSTACK_KAFKA_WRONG_STATE' });
    await sendAll(kafka, 'killed', ['after']);
    expect(await read(kafka, 'killed', 2)).toEqual(['before', 'after']);
  });

  it('is silent while it is frozen, and goes on when it is thawed', async () => {
    await createTopic(kafka, 'frozen');
    cluster.freeze(0);
    let acknowledged = false;
    const sent = sendAll(kafka, 'frozen', ['late']).then(() => (acknowledged = true));
    // Nothing tells of a silence; a broker that is not frozen takes some milliseconds.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(acknowledged).toBe(false);
    cluster.thaw(0);
    await sent;
    expect(await read(kafka, 'frozen', 1)).toEqual(['late']);
  });

  it('stops in order and starts again', async () => {
    await cluster.stopBroker(0);
    await cluster.start(0);
    await expectMembers(kafka, [0]);
  });
});

describe('three Kafka brokers', () => {
  let cluster: KafkaCluster;
  let kafka: Kafka;
  beforeAll(async () => {
    cluster = await start({ brokers: 3 });
    kafka = clientOf(cluster);
  });
  afterAll(() => cluster?.stop());

  it('keep a copy each', async () => {
    await createTopic(kafka, 'copies');
    const admin = kafka.admin();
    await admin.connect();
    let replicas: number[] = [];
    // Whichever broker is asked, it may have yet to hear of it.
    await until('a broker to tell of it', async () => {
      replicas = await admin.fetchTopicMetadata({ topics: ['copies'] }).then(
        ({ topics }) => topics[0]!.partitions[0]!.replicas,
        () => [],
      );
      return replicas.length > 0;
    });
    await admin.disconnect();
    expect(new Set(replicas)).toEqual(new Set([0, 1, 2]));
  });

  it('go on while one is killed, which comes back', async () => {
    await expectMembers(kafka, [0, 1, 2]);
    await createTopic(kafka, 'one-away');
    // Open before: kafkajs cannot open one while the cluster has not yet missed the broker that it is sent to.
    const producer = await openProducer(kafka);
    await send(producer, 'one-away', 'with three');
    await cluster.kill(1);
    await send(producer, 'one-away', 'with two');
    await cluster.start(1);
    await send(producer, 'one-away', 'with three again');
    await producer.disconnect();
    expect(await read(kafka, 'one-away', 3)).toEqual(['with three', 'with two', 'with three again']);
    await expectMembers(kafka, [0, 1, 2]);
  });

  it('leave nothing behind, whatever state they are in', async () => {
    cluster.freeze(2);
    await cluster.stop();
    expect(leftBehind()).toEqual([]);
  });
});

describe('a port that another process takes before the broker does', () => {
  it('is left to it', async () => {
    const starting = start();
    const taken = await portOfTheNew();
    const other = createServer().listen(taken, '127.0.0.1');
    const cluster = await starting;
    expect(cluster.brokers).not.toContain(`127.0.0.1:${taken}`);
    await expectMembers(clientOf(cluster), [0]);
    await cluster.stop();
    await new Promise((resolve) => other.close(resolve));
    expect(leftBehind()).toEqual([]);
  });

  /** Written before the data folder is prepared, which takes a while. */
  async function portOfTheNew(): Promise<number> {
    let port: number | undefined;
    await until('the properties of a broker', async () => {
      const [folder] = leftBehind();
      if (folder === undefined) return false;
      const text = await readFile(join(dataDir, folder, 'broker-0/server.properties'), 'utf8').catch(
        () => '',
      );
      port = Number(/^advertised\.listeners=.*:(\d+)$/m.exec(text)?.[1]) || undefined;
      return port !== undefined;
    });
    return port!;
  }
});

describe('a start of Kafka that cannot be', () => {
  it('tells the last lines of the log, and leaves nothing behind', async () => {
    const starting = start({ properties: { 'num.io.threads': 'many' } });
    await expect(starting).rejects.toMatchObject({
      code: 'RK_DEVSTACK_KAFKA_START_FAILED',
      message: expect.stringContaining('Invalid value many for configuration num.io.threads') as string,
    });
    expect(leftBehind()).toEqual([]);
  });

  it('is given up after its time', async () => {
    await expect(start({ startTimeoutMs: 200 })).rejects.toMatchObject({
      code: 'RK_DEVSTACK_KAFKA_START_TIMEOUT',
      retryable: true,
    });
    expect(leftBehind()).toEqual([]);
  });

  it('is refused before anything is started', async () => {
    const code = 'RK_DEVSTACK_KAFKA_BAD_OPTIONS';
    await expect(start({ jars: dataDir })).rejects.toMatchObject({ code });
    await expect(start({ properties: { listeners: 'PLAINTEXT://:9092' } })).rejects.toMatchObject({ code });
    expect(leftBehind()).toEqual([]);
  });
});

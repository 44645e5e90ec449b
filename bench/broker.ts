import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { startKafka, type KafkaCluster } from '@rookery/devstack/testing';
import kafkajs, { Kafka, logLevel, type Admin, type KafkaMessage } from 'kafkajs';
import { ensureTopics, type KafkaOptions } from '@rookery/events';
import { DIST } from './databases.js';
import { thingChanged } from './events/log.js';

// Of what this CommonJS module exports, Node finds only the first names for itself.
const { KafkaJSProtocolError } = kafkajs;
const LED_LIMIT_MS = 30_000;

type SystemPrograms = typeof import('../scripts/system-programs.mjs');

/** One broker of the benchmark's own; Kafka is got as the suites get it, where it is not there. */
export async function benchBroker(): Promise<KafkaCluster> {
  const script = pathToFileURL(join(DIST, '../scripts/system-programs.mjs')).href;
  const { kafkaJars, provide } = (await import(script)) as SystemPrograms;
  await provide(['kafka']);
  return startKafka({ jars: kafkaJars() });
}

/** Topics for `thingChanged` under a prefix of their own, whose leaders answer already. */
export async function benchTopic(brokers: readonly string[], prefix: string): Promise<BenchTopic> {
  const kafka = { brokers, clientId: 'bench', topicPrefix: `${prefix}.` };
  const [made] = await ensureTopics([thingChanged], kafka, { create: true });
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  try {
    await untilLed(admin, made!.topic);
  } finally {
    await admin.disconnect();
  }
  return { kafka, topic: made!.topic };
}

/** A broker learns a moment later than the controllers which partitions it leads. */
async function untilLed(admin: Admin, topic: string): Promise<void> {
  for (const until = performance.now() + LED_LIMIT_MS; ;) {
    try {
      await admin.fetchTopicOffsets(topic);
      return;
    } catch (error) {
      const becoming = error instanceof KafkaJSProtocolError && error.type === 'NOT_LEADER_FOR_PARTITION';
      if (!becoming || performance.now() > until) throw error;
      await pause(50);
    }
  }
}

export interface BenchTopic {
  readonly kafka: KafkaOptions;
  /** With its prefix. */
  readonly topic: string;
}

export function kafkaClient(brokers: readonly string[]): Kafka {
  return new Kafka({ brokers: [...brokers], clientId: 'bench', logLevel: logLevel.NOTHING });
}

/** The first so many messages of a topic as lines: key, headers, value; each partition's in their order. */
export async function messagesOf(
  brokers: readonly string[],
  topic: string,
  count: number,
): Promise<ReadonlyMap<number, readonly string[]>> {
  const partitions = new Map<number, string[]>();
  const consumer = kafkaClient(brokers).consumer({ groupId: `reading-${topic}` });
  let seen = 0;
  let tell: () => void = () => undefined;
  const told = new Promise<void>((resolve) => (tell = resolve));
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        const lines = partitions.get(batch.partition) ?? [];
        partitions.set(batch.partition, lines);
        for (const message of batch.messages) lines.push(lineOf(message));
        seen += batch.messages.length;
        if (seen >= count) tell();
      },
    });
    await told;
  } finally {
    await consumer.disconnect();
  }
  return partitions;
}

function lineOf({ key, value, headers = {} }: KafkaMessage): string {
  const named = Object.keys(headers)
    .sort()
    .map((name) => `${name}=${String(headers[name])}`);
  return [String(key), ...named, String(value)].join(' ');
}

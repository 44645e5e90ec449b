import { setTimeout as pause } from 'node:timers/promises';
import kafkajs, { type Admin } from 'kafkajs';
import type { AnyEventDefinition } from '../definition/define-event.js';
import { eventsErrors } from '../events.errors.js';
import { faultOf, kafkaClient, protocolErrorOf } from './kafka-client.js';
import type { TopicStatus } from './ensure-topics.js';
import { settledKafka, type KafkaOptions, type KafkaSettings } from './kafka.options.js';

// Of what this CommonJS module exports, Node finds only the first names for itself.
const { ConfigResourceTypes } = kafkajs;

const DAY_MS = 24 * 3_600_000;
const ADMIN_RETRIES = { initialRetryTime: 100, maxRetryTime: 500, retries: 2 };
const POLL_MS = 50;

interface WantedTopic {
  readonly topic: string;
  partitions: number;
  retentionMs: number;
}

/** See `ensureTopics`. */
export async function compareTopics(
  definitions: readonly AnyEventDefinition[],
  options: KafkaOptions,
  { create }: { readonly create: boolean },
): Promise<TopicStatus[]> {
  const settings = settledKafka(options);
  return withAdmin(settings, async (admin) => {
    const wanted = wantedTopics(definitions, settings);
    const there = new Set(await admin.listTopics());
    const missing = wanted.filter(({ topic }) => !there.has(topic));
    if (create && missing.length > 0) await createAll(admin, missing, settings);
    const present = wanted.filter(({ topic }) => there.has(topic)).map(({ topic }) => topic);
    const partitions = await partitionsOf(admin, present);
    const retention = await retentionOf(admin, present);
    return wanted.map((one) => {
      const is = { partitions: partitions.get(one.topic), retentionMs: retention.get(one.topic) };
      const same = is.partitions === one.partitions && is.retentionMs === one.retentionMs;
      const made = create && !there.has(one.topic);
      return {
        topic: one.topic,
        partitions: { wanted: one.partitions, there: made ? one.partitions : is.partitions },
        retentionMs: { wanted: one.retentionMs, there: made ? one.retentionMs : is.retentionMs },
        state: made ? 'created' : !there.has(one.topic) ? 'missing' : same ? 'ok' : 'differs',
      };
    });
  });
}

/** @throws RK_EVENTS_UNKNOWN_TOPIC where one is missing; _KAFKA_AWAY, _KAFKA_REFUSED */
export async function checkTopics(
  definitions: readonly AnyEventDefinition[],
  settings: KafkaSettings,
): Promise<void> {
  const missing = await withAdmin(settings, async (admin) => {
    const there = new Set(await admin.listTopics());
    const unlisted = wantedTopics(definitions, settings)
      .map(({ topic }) => topic)
      .filter((topic) => !there.has(topic));
    for (const topic of unlisted) await refusedOrMissing(admin, topic);
    return unlisted;
  });
  if (missing.length > 0) {
    throw eventsErrors.create('UNKNOWN_TOPIC', { data: { topics: missing.join(', ') } });
  }
}

/** Brokers list only what a client has rights on; of a topic that is asked for by name they say which it is. @throws if refused */
async function refusedOrMissing(admin: Admin, topic: string): Promise<void> {
  try {
    await admin.fetchTopicMetadata({ topics: [topic] });
  } catch (error) {
    if (protocolErrorOf(error) !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
  }
}

export function topicOf(definition: AnyEventDefinition, { topicPrefix }: KafkaSettings): string {
  return `${topicPrefix}${definition.topic.name}`;
}

function wantedTopics(definitions: readonly AnyEventDefinition[], settings: KafkaSettings): WantedTopic[] {
  const wanted = new Map<string, WantedTopic>();
  for (const definition of definitions) {
    const topic = topicOf(definition, settings);
    const { partitions, retentionMs } = definition.topic;
    const other = wanted.get(topic);
    if (other) {
      other.partitions = Math.max(other.partitions, partitions);
      other.retentionMs = Math.max(other.retentionMs, retentionMs);
    } else wanted.set(topic, { topic, partitions, retentionMs });
  }
  return [...wanted.values()].sort((a, b) => (a.topic < b.topic ? -1 : 1));
}

async function createAll(
  admin: Admin,
  topics: readonly WantedTopic[],
  { replicationFactor, requestTimeoutMs }: KafkaSettings,
): Promise<void> {
  await admin.createTopics({
    // kafkajs waits a moment and asks once: it gives up where the broker has yet to hear of the topic from its controller.
    waitForLeaders: false,
    timeout: requestTimeoutMs,
    topics: topics.map(({ topic, partitions, retentionMs }) => ({
      topic,
      numPartitions: partitions,
      replicationFactor,
      configEntries: [
        { name: 'retention.ms', value: String(retentionMs) },
        // What is older goes by whole segments: in long ones it would outlive what the inboxes still know.
        { name: 'segment.ms', value: String(retentionMs > 0 ? Math.min(DAY_MS, retentionMs) : DAY_MS) },
      ],
    })),
  });
  const until = performance.now() + requestTimeoutMs;
  for (const { topic } of topics) await untilServed(admin, topic, until);
}

/**
 * A topic is made when the controllers have it, which is before the brokers tell of it; and a broker is known as the leader
 * of partitions before it has all of them. Whoever sends then has some of a request taken and
 * some refused, sends all of it again, and, without idempotence, has the first part there twice.
 * @throws what the cluster answers last
 */
async function untilServed(admin: Admin, topic: string, until: number): Promise<void> {
  for (;;) {
    try {
      await admin.fetchTopicOffsets(topic);
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
      await pause(POLL_MS);
    }
  }
}

async function partitionsOf(admin: Admin, topics: string[]): Promise<ReadonlyMap<string, number>> {
  if (topics.length === 0) return new Map();
  const metadata = await admin.fetchTopicMetadata({ topics });
  return new Map(metadata.topics.map(({ name, partitions }) => [name, partitions.length]));
}

async function retentionOf(admin: Admin, topics: string[]): Promise<ReadonlyMap<string, number>> {
  if (topics.length === 0) return new Map();
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: topics.map((name) => ({
      type: ConfigResourceTypes.TOPIC,
      name,
      configNames: ['retention.ms'],
    })),
  });
  return new Map(
    resources.map(({ resourceName, configEntries }) => [
      resourceName,
      Number(configEntries.find(({ configName }) => configName === 'retention.ms')?.configValue),
    ]),
  );
}

async function withAdmin<T>(settings: KafkaSettings, work: (admin: Admin) => Promise<T>): Promise<T> {
  // What goes wrong is told by what is thrown.
  const admin = kafkaClient(settings, () => undefined, ADMIN_RETRIES).admin();
  try {
    await admin.connect();
    return await work(admin);
  } catch (error) {
    throw faultOf(error);
  } finally {
    // It may never have been connected, and what it was asked is answered by now.
    await admin.disconnect().catch(() => undefined);
  }
}

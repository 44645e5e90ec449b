import type { Message, Producer } from 'kafkajs';
import { eventsErrors } from '../events.errors.js';
import { kafkaClient } from './kafka-client.js';
import type { KafkaSettings } from './kafka.options.js';
import { SteadyPartitioner } from './partition-of.js';

export interface Outgoing {
  /** With the site's prefix. */
  readonly topic: string;
  readonly message: Message;
}

/**
 * Sends batches one after the other, in order, acknowledged by all in-sync replicas.
 *
 * After a failure nothing is sent by the same producer again. kafkajs takes back the sequence numbers of every partition of
 * a request that failed, of those too that the broker has appended: with another batch under these numbers the broker would
 * see a repeat, acknowledge it and drop it. A new producer has an id of its own; what was appended may then lie there twice.
 */
export class RelayProducer {
  private producer: Producer | undefined;
  private partitioner = new SteadyPartitioner();

  constructor(
    private readonly settings: KafkaSettings,
    private readonly onWarning: (message: string, error?: unknown) => void,
    private readonly onRebuild: () => void,
  ) {}

  /** Resolves when all of it is acknowledged. One call at a time. @throws what kafkajs throws; RK_EVENTS_KAFKA_AWAY */
  async send(batch: readonly Outgoing[]): Promise<void> {
    const byTopic = new Map<string, Message[]>();
    for (const { topic, message } of batch) {
      const messages = byTopic.get(topic);
      if (messages) messages.push(message);
      else byTopic.set(topic, [message]);
    }
    const producer = await this.connected();
    try {
      const acknowledged = await producer.sendBatch({
        acks: -1,
        timeout: this.settings.requestTimeoutMs,
        topicMessages: [...byTopic].map(([topic, messages]) => ({ topic, messages })),
      });
      const partitions = new Set(acknowledged.map(({ topicName, partition }) => `${topicName} ${partition}`));
      // When a partition gets a new leader between two tries, kafkajs may pass it over: who has answered is not asked again.
      const missing = batch.find(
        ({ topic, message }) => !partitions.has(`${topic} ${this.partitioner.of(message)}`),
      );
      if (missing) {
        throw eventsErrors.create('KAFKA_AWAY', {
          data: { reason: `a partition of ${missing.topic} was not acknowledged` },
        });
      }
    } catch (error) {
      await this.discard();
      this.onRebuild();
      throw error;
    }
  }

  /** What is under way fails, or is never heard of; the next batch goes by a new producer. */
  async discard(): Promise<void> {
    const { producer } = this;
    this.producer = undefined;
    if (!producer) return;
    // It waits for answers that may never come; nobody needs them.
    const gone = producer.disconnect().catch((error: unknown) => {
      this.onWarning('a producer could not be closed', error);
    });
    await Promise.race([gone, within(GOODBYE_MS)]);
  }

  private async connected(): Promise<Producer> {
    if (this.producer) return this.producer;
    const partitioner = new SteadyPartitioner();
    const producer = kafkaClient(this.settings, this.onWarning).producer({
      createPartitioner: partitioner.create,
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      // One more try for a leader that has moved; what does not help goes on from here, with another producer.
      retry: { retries: 1 },
    });
    this.producer = producer;
    this.partitioner = partitioner;
    try {
      await producer.connect();
    } catch (error) {
      await this.discard();
      throw error;
    }
    return producer;
  }
}

const GOODBYE_MS = 1_000;

function within(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

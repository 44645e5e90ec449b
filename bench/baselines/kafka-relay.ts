import { CompressionTypes, type Message, type Producer } from 'kafkajs';
import pg from 'pg';
import { kafkaClient } from '../broker.js';

/**
 * The baseline of `relay`: kafkajs by hand, an idempotent producer that sends what is in memory already, a batch after the
 * other, acknowledged by all. Nobody reads a log, nor notes how far it is.
 */
export class KafkaRelay {
  private readonly producer: Producer;
  private messages: readonly Message[] = [];

  constructor(
    brokers: readonly string[],
    private readonly source: string,
  ) {
    this.producer = kafkaClient(brokers).producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
    });
  }

  /** Makes the messages of all that stands in the log: that is not measured. */
  async open(url: string): Promise<void> {
    await this.producer.connect();
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      const { rows } = await client.query<{ [column: string]: string }>(
        `SELECT id, type, version::text, key, shard_slot::text AS slot, payload,
           (extract(epoch FROM created_at) * 1000)::float8 AS at FROM rookery_event ORDER BY seq`,
      );
      this.messages = rows.map(({ id, type, version, key, slot, payload, at }) => ({
        key: key!,
        value: payload!,
        headers: {
          'content-type': 'application/json',
          ce_specversion: '1.0',
          ce_id: id!,
          ce_source: this.source,
          ce_type: type!,
          ce_time: new Date(Number(at)).toISOString(),
          ce_partitionkey: key!,
          ce_dataversion: version!,
          ce_rookeryslot: slot!,
        },
      }));
    } finally {
      await client.end();
    }
  }

  async close(): Promise<void> {
    await this.producer.disconnect();
  }

  /** Sends all of it to a topic, in batches of these sizes. */
  async send(topic: string, sizes: readonly number[], onSent: (count: number) => void): Promise<void> {
    let from = 0;
    for (const size of sizes) {
      const messages = this.messages.slice(from, from + size);
      from += size;
      await this.producer.sendBatch({
        acks: -1,
        compression: CompressionTypes.None,
        topicMessages: [{ topic, messages: [...messages] }],
      });
      onSent(messages.length);
    }
  }
}

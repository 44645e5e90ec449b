import type { KafkaMessage } from 'kafkajs';
import pg from 'pg';
import { kafkaClient } from '../broker.js';

const BATCH = 256;
const AT_ONCE = 4;

/**
 * The baseline of `kafka-consume`: kafkajs and pg by hand. Four partitions at once, each with a connection; batches enter
 * the inbox, what is new there has its effects written, and both stand before the offset moves on. No order by key beyond
 * the partition's own, no retries, nothing parked; a rebalance is not waited for.
 */
export class KafkaPgConsumer {
  private readonly free: pg.Client[] = [];

  constructor(
    private readonly url: string,
    private readonly brokers: readonly string[],
  ) {}

  async open(): Promise<void> {
    for (let i = 0; i < AT_ONCE; i++) {
      const client = new pg.Client({ connectionString: this.url, pipeline: true });
      await client.connect();
      this.free.push(client);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.free.map((client) => client.end()));
  }

  /** Handles so many events of a topic with a new group, from the beginning. */
  async consume(
    topic: string,
    group: string,
    events: number,
    onApplied: (count: number) => void,
  ): Promise<void> {
    const consumer = kafkaClient(this.brokers).consumer({
      groupId: `by-hand.${group}`,
      maxWaitTimeInMs: 500,
      maxBytesPerPartition: 256 * 1024,
      maxBytes: 4 * 1024 * 1024,
    });
    let handled = 0;
    let tell: (error?: Error) => void = () => undefined;
    const told = new Promise<void>((resolve, reject) => {
      tell = (error) => (error === undefined ? resolve() : reject(error));
    });
    await consumer.connect();
    try {
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      await consumer.run({
        autoCommitInterval: 500,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: AT_ONCE,
        eachBatch: async ({ batch, resolveOffset, heartbeat, commitOffsetsIfNecessary }) => {
          const client = this.free.pop()!;
          try {
            for (let from = 0; from < batch.messages.length; from += BATCH) {
              const messages = batch.messages.slice(from, from + BATCH);
              await apply(client, group, messages);
              resolveOffset(messages.at(-1)!.offset);
              await heartbeat();
              await commitOffsetsIfNecessary();
              onApplied(messages.length);
              handled += messages.length;
            }
          } catch (error) {
            tell(error instanceof Error ? error : new Error(String(error)));
            throw error;
          } finally {
            this.free.push(client);
          }
          if (handled >= events) tell();
        },
      });
      await told;
    } finally {
      await consumer.disconnect();
    }
  }
}

async function apply(client: pg.Client, group: string, messages: readonly KafkaMessage[]): Promise<void> {
  const read = messages.map(({ headers, value }) => ({
    id: String(headers!['ce_id']),
    slot: Number(String(headers!['ce_rookeryslot'])),
    data: JSON.parse(String(value)) as { id: string; n: number },
  }));
  const begun = client.query('BEGIN');
  const [, entered] = await Promise.all([
    begun,
    client.query<{ id: string }>({
      name: 'inbox',
      text: `INSERT INTO plain_inbox (event_id, grp, shard_slot)
             SELECT id, $2, slot FROM unnest($1::uuid[], $3::smallint[]) AS given (id, slot)
             ON CONFLICT DO NOTHING RETURNING event_id AS id`,
      values: [read.map(({ id }) => id), group, read.map(({ slot }) => slot)],
    }),
  ]);
  const isNew = new Set(entered.rows.map(({ id }) => id));
  const fresh = read.filter(({ id }) => isNew.delete(id));
  const written = client.query({
    name: 'effects',
    text: `INSERT INTO plain_effect (thing, grp, n, shard_slot)
           SELECT id, $2, n, slot FROM unnest($1::uuid[], $3::int[], $4::smallint[]) AS given (id, n, slot)`,
    values: [
      fresh.map(({ data }) => data.id),
      group,
      fresh.map(({ data }) => data.n),
      fresh.map(({ slot }) => slot),
    ],
  });
  const committed = client.query('COMMIT');
  await written;
  if ((await committed).command !== 'COMMIT') throw new Error('not committed');
}

import { setTimeout as pause } from 'node:timers/promises';
import { testDatabases } from '@rookery/devstack/testing';
import { newId, type Id } from '@rookery/kernel';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { z } from 'zod';
import { defineEvent } from '../definition/define-event.js';
import type { Events } from '../events.js';
import { eventsSchema } from '../events.schema.js';
import { replayFrom } from '../operations/replay-from.js';
import { handling, testEvents } from '../testing/index.js';
import { defineProcess } from './define-process.js';
import { dropEndedProcesses, rememberedDays } from './ended-processes.js';

const id = z.object({ id: z.string() });
const ordered = defineEvent({ type: 'shop.ordered', key: (e) => e.id, schema: id });
const order = defineProcess({ name: 'order', state: z.object({}) });

describe('a process that has ended', () => {
  let cluster: TestShards;
  let events: Events | undefined;
  beforeAll(async () => {
    cluster = await testShards({ databases: testDatabases, migrations: eventsSchema });
  }, 60_000);
  afterEach(async () => {
    await events?.stop();
    events = undefined;
    await cluster.shards.scatter({ text: 'TRUNCATE rookery_process, rookery_parked' });
  });
  afterAll(() => cluster.close());

  /** Ended and dropped where it may be; `rows` are told of by the drop itself. */
  const drop = async (days = 7): Promise<number> => {
    let dropped = 0;
    await dropEndedProcesses(cluster.shards, { days, onDropped: (_, rows) => (dropped += rows) });
    return dropped;
  };
  const began = (key: Id): Promise<boolean> =>
    cluster.shards.transaction(key, (tx) => order.start(tx, key, {}));
  const end = (key: Id): Promise<void> =>
    cluster.shards.transaction(key, async (tx) => (await order.load(tx, key))!.complete());
  const change = (key: Id, set: string): Promise<unknown> =>
    cluster.shards.transaction(key, (tx) =>
      tx.execute({ text: `UPDATE rookery_process SET ${set} WHERE id = $1`, values: [key] }),
    );
  const ENDED_LONG_AGO = `changed_at = now() - interval '9 days'`;

  it('is forgotten after its days, and may then be begun anew; one under way never is', async () => {
    const [old, young, open] = [newId(9), newId(9), newId(4_000)];
    for (const key of [old, young, open]) expect(await began(key)).toBe(true);
    for (const key of [old, young]) await end(key);
    for (const key of [old, open]) await change(key, ENDED_LONG_AGO);
    expect(await drop(10)).toBe(0);
    expect(await began(old)).toBe(false);
    await change(old, 'asked_at = NULL');
    expect(await drop()).toBe(1);
    for (const key of [young, open]) expect(await began(key)).toBe(false);
    expect(await began(old)).toBe(true);
  });

  it('is remembered from when it was last to begin: the event that wanted it may come again', async () => {
    const key = newId(9);
    await began(key);
    await end(key);
    await change(key, ENDED_LONG_AGO);
    expect(await began(key)).toBe(false);
    expect(await drop()).toBe(0);
    await change(key, `asked_at = now() - interval '8 days'`);
    expect(await drop()).toBe(1);
  });

  it('is remembered for as long as any log holds an event of its time, or one is parked', async () => {
    const key = newId(9);
    await began(key);
    await end(key);
    await change(key, ENDED_LONG_AGO);
    const [, other] = cluster.shards.shardNames;
    const on = (text: string) => cluster.shards.queryShard(other!, { text });
    const [day] = await cluster.shards.queryShard<{ day: string; after: string }>(other!, {
      text: `SELECT to_char(d, 'YYYYMMDD') AS day, to_char(d + interval '1 day', 'YYYYMMDD') AS after
             FROM (SELECT (now() AT TIME ZONE 'UTC')::date - 10 AS d) at`,
    });
    const bounds = `FOR VALUES FROM ('${day!.day} 00:00:00+00') TO ('${day!.after} 00:00:00+00')`;
    await on(`CREATE TABLE rookery_event_${day!.day} PARTITION OF rookery_event ${bounds}`);
    expect(await drop()).toBe(0);
    await on(`DROP TABLE rookery_event_${day!.day}`);
    const row = `INSERT INTO rookery_parked (grp, topic, key, id, type, version, shard_slot, payload, published_at, position, state)
      VALUES ('g', 't', 'k', gen_random_uuid(), 't.x', 1, 4000, '', now() - interval '20 days', '1', 'held')`;
    await cluster.shards.transactionAt(other!, (tx) => tx.execute({ text: row }));
    expect(await drop()).toBe(0);
    await cluster.shards.transactionAt(other!, (tx) =>
      tx.execute({ text: `UPDATE rookery_parked SET state = 'skipped'` }),
    );
    expect(await drop()).toBe(1);
  });

  it('goes in batches, and leaves slots alone that are not here', async () => {
    const shard = cluster.shards.shardNames[0]!;
    await cluster.shards.transactionAt(shard, (tx) =>
      tx.execute({
        text: `INSERT INTO rookery_process (name, id, shard_slot, state, status, changed_at)
               SELECT 'order', n::text, 7 + n % 2, '{}', 'failed', now() - interval '9 days' FROM generate_series(1, 900) n`,
      }),
    );
    await cluster.shards.queryShard(shard, {
      text: `UPDATE rookery_slot SET state = 'closed' WHERE slot = 8`,
    });
    const told: number[] = [];
    const more = await dropEndedProcesses(cluster.shards, {
      days: 7,
      onDropped: (name, rows) => {
        expect(name).toBe('order');
        told.push(rows);
      },
    });
    await cluster.shards.queryShard(shard, { text: `UPDATE rookery_slot SET state = 'open' WHERE slot = 8` });
    expect([told, more]).toEqual([[200, 200, 50], false]);
  });

  it('is not begun anew by a replay, once its line may have been dropped', async () => {
    const begun: boolean[] = [];
    const handler = handling(ordered, { group: 'orders' }, async ({ data }, tx) => {
      const is = await order.start(tx, data.id, {});
      if (is) (await order.load(tx, data.id))!.complete();
      tx.afterCommit(() => begun.push(is));
    });
    // Its replay waits for a replica to let go, which takes two thirds of the lease.
    events = testEvents(cluster.shards, [handler], { pollMs: 30, leaseMs: 3_000 });
    await events.start();
    const key = newId(9);
    const place = () => cluster.shards.transaction(key, async (tx) => tx.publish(ordered({ id: key })));
    await place();
    while (begun.length < 1) await pause(5);
    // Ended long before it was to begin once more.
    await change(key, ENDED_LONG_AGO);
    await place();
    while (begun.length < 2) await pause(5);
    expect(await drop()).toBe(0);
    await replayFrom(cluster.shards, 'orders', new Date(Date.now() - 3_600_000));
    while (begun.length < 4) await pause(5);
    expect(begun).toEqual([true, false, false, false]);
  });

  it('is remembered for as long as Kafka keeps what may come again', () => {
    const settings = { events: [ordered, order.timedOut], processRetentionDays: 3, retentionDays: 7 };
    expect(rememberedDays(settings)).toBe(7);
    expect(rememberedDays({ ...settings, processRetentionDays: 30 })).toBe(30);
    const kafka = { brokers: ['k:9092'] };
    expect(rememberedDays({ ...settings, kafka })).toBe(8);
    const kept = defineEvent({ type: 'shop.kept', key: (e) => e.id, schema: id, topic: { retentionMs: -1 } });
    expect(rememberedDays({ ...settings, events: [kept], kafka })).toBe(Infinity);
  });
});

import { setTimeout as pause } from 'node:timers/promises';
import { testDatabases } from '@rookery/devstack/testing';
import { newId, noopMeter, type Id, type Meter } from '@rookery/kernel';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { z } from 'zod';
import { defineEvent } from '../definition/define-event.js';
import type { Events } from '../events.js';
import { eventsSchema } from '../events.schema.js';
import { handling, testEvents } from '../testing/index.js';
import { defineProcess } from './define-process.js';

const id = z.object({ id: z.string() });
const ordered = defineEvent({ type: 'shop.ordered', key: (e) => e.id, schema: id });
const reserve = defineEvent({ type: 'shop.reserve', key: (e) => e.id, schema: id });
const reserved = defineEvent({ type: 'shop.reserved', key: (e) => e.id, schema: id });
const release = defineEvent({ type: 'shop.release', key: (e) => e.id, schema: id });
const released = defineEvent({ type: 'shop.released', key: (e) => e.id, schema: id });
const order = defineProcess({ name: 'order', state: z.object({ step: z.enum(['reserving', 'releasing']) }) });
const all = [ordered, reserve, reserved, release, released, order.timedOut];

/**
 * An order wants a reservation, which somebody else makes; if it does not come in time, what was done is undone.
 * @param onTimedOut told of each timeout that was handled, void or not
 */
const handlers = (timeoutMs: number, answers: boolean, onTimedOut: () => void) => [
  handling(ordered, { group: 'orders' }, async ({ data }, tx) => {
    if (await order.start(tx, data.id, { step: 'reserving' }, { timeoutMs })) tx.publish(reserve(data));
  }),
  handling(reserve, { group: 'stock' }, async ({ data }, tx) => {
    if (answers) tx.publish(reserved(data));
  }),
  handling(reserved, { group: 'orders' }, async ({ data }, tx) => {
    (await order.load(tx, data.id))?.complete();
  }),
  handling(order.timedOut, { group: 'orders' }, async ({ data }, tx) => {
    tx.afterCommit(onTimedOut);
    const run = await order.due(tx, data);
    if (!run) return;
    run.compensate('the reservation did not come', { step: 'releasing' });
    tx.publish(release({ id: run.id }));
  }),
  handling(release, { group: 'stock' }, async ({ data }, tx) => tx.publish(released(data))),
  handling(released, { group: 'orders' }, async ({ data }, tx) => {
    (await order.load(tx, data.id))?.fail('the reservation did not come');
  }),
];

describe('a process', () => {
  let cluster: TestShards;
  let events: Events | undefined;
  let timedOut = 0;
  beforeAll(async () => {
    cluster = await testShards({ databases: testDatabases, migrations: eventsSchema });
  }, 60_000);
  afterEach(async () => {
    await events?.stop();
  });
  afterAll(() => cluster.close());

  const start = async (timeoutMs: number, answers: boolean, meter: Meter = noopMeter): Promise<void> => {
    timedOut = 0;
    const told = handlers(timeoutMs, answers, () => (timedOut += 1));
    events = testEvents(cluster.shards, told, { events: all, pollMs: 30, meter });
    await events.start();
  };
  const place = (key: Id, times = 1) =>
    cluster.shards.transaction(key, async (tx) => {
      for (let i = 0; i < times; i++) tx.publish(ordered({ id: key }));
    });
  const ended = async (key: Id): Promise<{ status: string; reason: string | null }> => {
    for (;;) {
      const [row] = await cluster.shards.query<{ status: string; reason: string | null }>(key, {
        text: 'SELECT status, reason FROM rookery_process WHERE id = $1',
        values: [key],
      });
      if (row && row.status !== 'running' && row.status !== 'compensating') return row;
      await pause(5);
    }
  };

  it('goes through its steps and completes, begun once however often it is asked for; its timeout is then void', async () => {
    await start(600_000, true);
    const key = newId(4_000);
    await place(key, 3);
    expect(await ended(key)).toEqual({ status: 'completed', reason: null });
    // Its time comes only now, however long the steps have taken.
    const { rowCount } = await cluster.shards.transaction(key, (tx) =>
      tx.execute({ text: 'UPDATE rookery_event_timer SET due_at = now() WHERE key = $1', values: [key] }),
    );
    expect(rowCount).toBe(1);
    while (timedOut === 0) await pause(5);
    expect(await ended(key)).toEqual({ status: 'completed', reason: null });
    const made = await cluster.shards.query(key, {
      text: `SELECT FROM rookery_event WHERE type = 'shop.reserve' AND key = $1`,
      values: [key],
    });
    expect(made).toHaveLength(1);
  });

  it('undoes what it did when an answer does not come in time', async () => {
    await start(80, false);
    const key = newId(9);
    await place(key);
    expect(await ended(key)).toEqual({ status: 'failed', reason: 'the reservation did not come' });
  });

  it('is dropped by the replicas once it has ended long ago, and counted while it has not', async () => {
    const dropped: unknown[] = [];
    let read: () => Iterable<{ value: number; labels?: unknown }> = () => [];
    const meter: Meter = {
      ...noopMeter,
      counter: ({ name }) => ({
        add: (...given) => name === 'rookery_events_processes_dropped_total' && dropped.push(given),
      }),
      gauge: ({ name }, values) => {
        if (name === 'rookery_events_processes') read = values;
        return () => undefined;
      },
    };
    // The one that is dropped lies on another shard than those that are counted below, whichever happens first.
    const [old, open] = [newId(4_001), newId(10)];
    for (const key of [old, open])
      await cluster.shards.transaction(key, (tx) => order.start(tx, key, { step: 'reserving' }));
    await cluster.shards.transaction(old, (tx) =>
      tx.execute({
        text: `UPDATE rookery_process SET status = 'failed', changed_at = now() - interval '9 days' WHERE id = $1`,
        values: [old],
      }),
    );
    const [shard] = cluster.shards.shardNames;
    const [{ failed, running }] = (await cluster.shards.queryShard<{ failed: number; running: number }>(
      shard!,
      {
        text: `SELECT count(*) FILTER (WHERE status = 'failed')::int AS failed,
               count(*) FILTER (WHERE status = 'running')::int AS running FROM rookery_process`,
      },
    )) as [{ failed: number; running: number }];
    await start(600_000, true, meter);
    while (dropped.length === 0 || [...read()].length < 6) await pause(5);
    expect(dropped).toEqual([[1, { process: 'order' }]]);
    const labels = { process: 'order', shard };
    expect([...read()]).toEqual(
      expect.arrayContaining([
        { value: running, labels: { ...labels, state: 'running' } },
        { value: failed, labels: { ...labels, state: 'failed' } },
        { value: 0, labels: { ...labels, state: 'compensating' } },
      ]),
    );
  });
});

import { setTimeout as pause } from 'node:timers/promises';
import { testDatabases } from '@rookery/devstack/testing';
import { newId } from '@rookery/kernel';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { z } from 'zod';
import { defineEvent } from '../definition/define-event.js';
import type { Events } from '../events.js';
import { eventsSchema } from '../events.schema.js';
import { handling, handlingMany, testEvents, type TestHandler } from '../testing/index.js';

const said = defineEvent({
  type: 'talk.said',
  key: ({ key }) => key,
  schema: z.object({ key: z.string(), n: z.number() }),
});
const answered = defineEvent({
  type: 'talk.answered',
  key: ({ key }) => key,
  schema: z.object({ key: z.string(), n: z.number() }),
});

/**
 * A crash that undoes what had not reached the disk, as the server's recovery would. Whoever looks at the lanes has looked
 * at the incarnation before: taken in another order, the two would wait for each other.
 */
const CRASH = `
BEGIN;
SET LOCAL rookery.slot = 'mover';
TRUNCATE rookery_event_incarnation;
DELETE FROM rookery_inbox WHERE event_id IN (SELECT id FROM rookery_event WHERE (payload::jsonb->>'n')::int > $n);
DELETE FROM heard WHERE n > $n;
UPDATE rookery_lane SET cursor = (SELECT cursor FROM saved LIMIT 1);
COMMIT`;

const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await pause(5);
};

describe('after a crash of the server', () => {
  let cluster: TestShards;
  let client: Awaited<ReturnType<TestShards['client']>>;
  let events: Events;
  beforeEach(async () => {
    cluster = await testShards({ databases: testDatabases, migrations: eventsSchema, count: 1 });
    client = await cluster.client();
    testEvents(cluster.shards, [], { events: [said, answered] });
    await client.query(
      'CREATE TABLE heard (place bigserial, n int, durable text); CREATE TABLE saved (cursor jsonb)',
    );
  }, 60_000);
  afterEach(async () => {
    await events.stop();
    await cluster.close();
  });

  const hear = (n: number) => ({
    text: `INSERT INTO heard (n, durable) VALUES ($1, current_setting('synchronous_commit'))`,
    values: [n],
  });
  const key = newId(7);
  const say = (n: number) =>
    cluster.shards.transaction(key, async (tx) => {
      tx.publish(said({ key, n }));
    });
  const heard = async (): Promise<number[]> =>
    (await client.query<{ n: number }>('SELECT n FROM heard ORDER BY place')).rows.map(({ n }) => n);
  const start = async (handler: TestHandler, more: readonly TestHandler[] = []): Promise<void> => {
    events = testEvents(await cluster.another(), [handler, ...more], { leaseMs: 3_000, pollMs: 50 });
    await events.start();
  };

  it.each([
    ['one by one', handling(said, { group: 'ears' }, async ({ data }, tx) => tx.send(hear(data.n)))],
    [
      'in batches',
      handlingMany(said, { group: 'ears' }, async (all, tx) => {
        for (const { data } of all) tx.send(hear(data.n));
      }),
    ],
  ])('what it undid is applied anew before what comes after it, %s', async (_, handler) => {
    await start(handler);
    await say(1);
    await until(async () => (await heard()).length === 1);
    const passed = 'SELECT FROM rookery_lane WHERE lane = 7 AND cursor <> (SELECT cursor FROM saved)';
    await client.query('INSERT INTO saved SELECT cursor FROM rookery_lane WHERE lane = 7');
    await say(2);
    await until(async () => (await heard()).length === 2);
    // The reader has saved, and remembers, that it is past the second.
    await until(async () => (await client.query(passed)).rowCount === 1);
    await client.query(CRASH.replaceAll('$n', '1'));
    await say(3);
    await until(async () => (await heard()).includes(3));
    expect(await heard()).toEqual([1, 2, 3]);
  });

  it('commits wait for the disk where something is published, or effects of the group are elsewhere', async () => {
    // Test servers do without for everybody.
    await client.query(
      `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = on', current_database()); END $$`,
    );
    const plain = handling(said, { group: 'ears' }, async ({ data }, tx) => tx.send(hear(data.n)));
    const publishing = handling(said, { group: 'mouth' }, async ({ data }, tx) => {
      tx.publish(answered({ key, n: data.n + 10 }));
      tx.beforeCommit(() => tx.send(hear(data.n + 10)));
    });
    const routing = handling(said, { group: 'post', at: () => key }, async ({ data }, tx) =>
      tx.send(hear(data.n + 20)),
    );
    await start(plain, [publishing, routing, handling(answered, { group: 'ears' }, async () => undefined)]);
    await say(1);
    await until(async () => (await heard()).length === 3);
    const { rows } = await client.query('SELECT n, durable FROM heard ORDER BY n');
    expect(rows).toEqual([
      { n: 1, durable: 'off' },
      { n: 11, durable: 'on' },
      { n: 21, durable: 'on' },
    ]);
  });
});

import { setTimeout as pause } from 'node:timers/promises';
import { testDatabases } from '@rookery/devstack/testing';
import { atSlot, type Shards, type ShardTransaction } from '@rookery/sharding';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { z } from 'zod';
import { defineEvent } from '../definition/define-event.js';
import type { Events } from '../events.js';
import { eventsSchema } from '../events.schema.js';
import { handling, testEvents, type TestHandler } from '../testing/index.js';

const planted = defineEvent({
  type: 'garden.planted',
  key: ({ bed }) => bed,
  schema: z.object({ bed: z.string(), n: z.number() }),
});
const watered = defineEvent({
  type: 'garden.watered',
  key: ({ bed }) => bed,
  schema: z.object({ bed: z.string(), n: z.number() }),
});

type Client = Awaited<ReturnType<TestShards['client']>>;

const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await pause(5);
};

describe('groups', () => {
  let cluster: TestShards;
  let shards: Shards;
  let publisher: Shards;
  let client: Client;
  const running: Events[] = [];

  beforeEach(async () => {
    cluster = await testShards({ databases: testDatabases, migrations: eventsSchema, count: 1 });
    shards = cluster.shards;
    client = await cluster.client();
    publisher = await cluster.another();
    testEvents(publisher, [], { events: [planted, watered] });
  }, 60_000);
  afterEach(async () => {
    await Promise.all(running.splice(0).map((events) => events.stop()));
    await cluster.close();
  });

  const start = async (handlers: readonly TestHandler[], on = shards, options = {}): Promise<Events> => {
    const events = testEvents(on, handlers, options);
    running.push(events);
    await events.start();
    return events;
  };
  const plant = (n: number, slot = n % 4_096) =>
    publisher.transaction(atSlot(slot), async (tx) => tx.publish(planted({ bed: `bed ${slot}`, n })));
  const seenBy = (list: number[], group = 'garden') =>
    handling(planted, { group }, async ({ data }, tx) => {
      // What a test remembers is no part of the transaction: one that is rolled back, and comes again, is not seen yet.
      tx.afterCommit(() => list.push(data.n));
    });
  const lanesOf = (events: Events, group = 'garden') => events.lanes()['s1']?.[group]?.length ?? 0;

  it('share the lanes fairly, without a leader, and take over from who leaves', async () => {
    const [a, b, c]: [number[], number[], number[]] = [[], [], []];
    // Long enough that nobody loses a lane while the machine is held up: then one of them would handle more than its share.
    const options = { leaseMs: 3_000 };
    const first = await start([seenBy(a)], shards, options);
    await until(() => lanesOf(first) === 16);
    const second = await start([seenBy(b)], await cluster.another(), options);
    const third = await start([seenBy(c)], await cluster.another(), options);
    await until(() => [first, second, third].every((events) => lanesOf(events) >= 5 && lanesOf(events) <= 6));
    for (let n = 0; n < 64; n++) await plant(n);
    await until(() => a.length + b.length + c.length === 64);
    for (const list of [a, b, c]) expect(list.length).toBeGreaterThanOrEqual(20);
    await second.stop();
    await until(() => lanesOf(first) === 8 && lanesOf(third) === 8);
    for (let n = 64; n < 96; n++) await plant(n);
    await until(() => a.length + b.length + c.length === 96);
    expect([...a, ...b, ...c].sort((x, y) => x - y)).toEqual(Array.from({ length: 96 }, (_, n) => n));
  });

  it('begin at the beginning, or now, as told; and go on where they were', async () => {
    await plant(1);
    const [old, late]: [number[], number[]] = [[], []];
    await start([seenBy(late, 'late')], shards, { newGroups: 'now' });
    const first = await start([seenBy(old, 'old')]);
    await plant(2);
    await until(() => old.length === 2 && late.length === 1);
    expect([[...old].sort((x, y) => x - y), late]).toEqual([[1, 2], [2]]);
    await first.stop();
    await plant(3);
    await start([seenBy(old, 'old')]);
    await until(() => old.length === 3);
    expect(old[2]).toBe(3);
  });

  it('see the very first event of a log that was looked at while it was empty', async () => {
    const seen: number[] = [];
    const first = await start([seenBy(seen)]);
    await until(async () => (await client.query('SELECT FROM rookery_event_tick')).rowCount === 1);
    await first.stop();
    await plant(1);
    await start([seenBy(seen)]);
    await plant(2);
    await until(() => seen.length === 2);
    expect([...seen].sort((x, y) => x - y)).toEqual([1, 2]);
  });

  it('hand over at once to a version of the site that handles more, which loses and repeats nothing', async () => {
    const seen: string[] = [];
    const saying = (line: string) => async (event: { data: { n: number } }, tx: ShardTransaction) => {
      tx.afterCommit(() => seen.push(`${line} ${event.data.n}`));
    };
    const handlers = (name: string): TestHandler[] => [
      handling(planted, { group: 'garden' }, saying(`${name} planted`)),
      handling(watered, { group: 'garden' }, saying(`${name} watered`)),
    ];
    const both = (n: number) =>
      publisher.transaction(atSlot(n), async (tx) => {
        tx.publish(planted({ bed: `bed ${n}`, n }), watered({ bed: `bed ${n}`, n }));
      });
    const older = await start([handlers('old')[0]!], shards, { events: [planted, watered] });
    await until(() => lanesOf(older) === 16);
    await plant(0);
    await until(() => seen.length === 1);
    const newer = await start(handlers('new'), await cluster.another());
    // From here on a site of the new version publishes what only it handles; the old one is still there.
    for (let n = 1; n <= 20; n++) await both(n);
    await until(() => seen.length === 41);
    // Each learns of it when it looks at its lanes the next time.
    await until(() => lanesOf(newer) === 16 && lanesOf(older) === 0);
    expect(seen.filter((line) => line.includes('watered')).every((line) => line.startsWith('new'))).toBe(
      true,
    );
    expect(new Set(seen.map((line) => line.slice(4))).size).toBe(41);
    // The newer one goes first: what only it handled stays; what both handle goes on.
    await newer.stop();
    await until(() => lanesOf(older) === 16);
    await plant(50);
    await until(() => seen.length === 42);
  });

  it.each([
    ['keep out a cursor of who lost its lane meanwhile', false],
    ['would go on from a cursor of who lost its lane, were lanes not fenced', true],
  ])('%s', async (_, withoutFence) => {
    let begun = false;
    let go: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    const waiting = handling(planted, { group: 'garden', timeoutMs: 60_000 }, async () => {
      begun = true;
      await gate;
    });
    const events = testEvents(shards, [waiting], { leaseMs: 60_000 }, { withoutFence });
    running.push(events);
    await events.start();
    await until(() => lanesOf(events) === 16);
    const cursors = async () =>
      (await client.query<{ done: string }>(`SELECT DISTINCT cursor->>'done' AS done FROM rookery_lane`))
        .rows;
    await plant(1);
    await until(() => begun);
    await client.query(`UPDATE rookery_lane SET owner = 'another', epoch = epoch + 1, until = now() + interval '1 minute',
      cursor = '{"from": null, "upto": null, "done": "77"}'`);
    // What it has under way ends only now, so that there is something to save.
    const stopped = events.stop();
    go();
    await stopped;
    expect(await cursors()).toEqual(withoutFence ? [{ done: '0' }] : [{ done: '77' }]);
  });

  it('go on by number after the log was restored into another server', async () => {
    const seen: number[] = [];
    const first = await start([seenBy(seen)]);
    for (let n = 0; n < 5; n++) await plant(n);
    await until(() => seen.length === 5);
    await first.stop();
    await plant(5);
    // Transaction ids of another server, far from those here.
    await client.query(`SET rookery.slot = 'mover'`);
    await client.query(`UPDATE rookery_event SET xid = '9000000000'::xid8`);
    await client.query(
      `UPDATE rookery_lane SET cursor = '{"from": "8999999999:8999999999:", "upto": null, "done": "0"}'`,
    );
    await client.query('UPDATE rookery_event_home SET system_identifier = 1');
    await client.query(`RESET rookery.slot`);
    await start([seenBy(seen)]);
    await plant(6);
    await until(() => seen.length >= 7);
    await plant(7);
    await until(() => seen.length >= 8);
    expect([...seen].sort((x, y) => x - y)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it.each([
    ['deliver what was numbered early and committed late, beside a transaction that stays open', false],
    [
      'would lose what was numbered early and committed late, were numbers taken for the order of commits',
      true,
    ],
  ])('%s', async (_, bySequence) => {
    const seen: number[] = [];
    const events = testEvents(shards, [seenBy(seen)], { pollMs: 50 }, { bySequence });
    running.push(events);
    await events.start();
    const [early, later, open] = [client, await cluster.client(), await cluster.client()];
    await open.query('BEGIN');
    await open.query('SELECT pg_current_xact_id()');
    const raw = (on: Client, n: number) =>
      on.query(`INSERT INTO rookery_event (seq, xid, shard_slot, topic, key, id, type, version, payload)
        VALUES (nextval('rookery_event_seq'), pg_current_xact_id(), 7, 'garden', 'bed', rookery_new_id(7), 'garden.planted', 1, '{"bed":"bed","n":${n}}')`);
    await early.query('BEGIN');
    await raw(early, 1);
    await raw(later, 2);
    await until(() => seen.length === 1);
    await early.query('COMMIT');
    await raw(later, 3);
    await until(() => seen.includes(3));
    expect(seen).toEqual(bySequence ? [2, 3] : [2, 1, 3]);
    await open.query('ROLLBACK');
  });
});

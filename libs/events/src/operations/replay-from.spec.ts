import { setTimeout as pause } from 'node:timers/promises';
import { testDatabases } from '@rookery/devstack/testing';
import { atSlot, type Shards } from '@rookery/sharding';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { z } from 'zod';
import { defineEvent } from '../definition/define-event.js';
import type { Events } from '../events.js';
import { eventsSchema } from '../events.schema.js';
import { handling, testEvents } from '../testing/index.js';
import { extentOfReplay, replayFrom } from './replay-from.js';

/** Replicas that are held up are there all the same: a replay waits for them. */
const LEASE_MS = 3_000;
const noted = defineEvent({
  type: 'spec.noted',
  key: ({ name }) => name,
  schema: z.object({ name: z.string(), n: z.number() }),
});

const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await pause(5);
};

describe('a replay from a time', () => {
  let cluster: TestShards;
  let shards: Shards;
  const running: Events[] = [];

  beforeAll(async () => {
    cluster = await testShards({ databases: testDatabases, migrations: eventsSchema });
    shards = cluster.shards;
  }, 60_000);
  afterEach(async () => {
    await Promise.all(running.splice(0).map((events) => events.stop()));
    await shards.scatter({
      text: 'TRUNCATE rookery_event, rookery_inbox, rookery_parked, rookery_lane, rookery_member',
    });
  });
  afterAll(() => cluster.close());

  /** A replica whose handler remembers what it was given, and whose effect is on the other shard. */
  const replica = async (seen: number[], on = shards, onEvent: (n: number) => unknown = () => undefined) => {
    const events = testEvents(
      on,
      [
        handling(noted, { group: 'notes', at: () => atSlot(4_000) }, async ({ data }, tx) => {
          await onEvent(data.n);
          tx.afterCommit(() => seen.push(data.n));
        }),
      ],
      { leaseMs: LEASE_MS, retries: { inPlace: 1, parkedWaitMs: 60_000 } },
    );
    running.push(events);
    await events.start();
    return events;
  };
  const note = (n: number, name = 'one') =>
    shards.transaction(atSlot(7), async (tx) => tx.publish(noted({ name, n })));
  const clock = async () =>
    (await shards.queryShard<{ now: Date }>('s1', { text: 'SELECT clock_timestamp() AS now' }))[0]!.now;

  /** As replicas do every ten seconds. */
  const tick = () =>
    shards.queryShard('s1', {
      text: `INSERT INTO rookery_event_tick SELECT last_value, pg_current_xact_id() FROM rookery_event_seq ON CONFLICT DO NOTHING`,
    });
  const savedAll = async () => {
    const text = `SELECT bool_and(cursor->>'from' IS NOT NULL) AS saved FROM rookery_lane`;
    return (await shards.queryShard<{ saved: boolean }>('s1', { text }))[0]!.saved;
  };

  it('has what came since then handled again, in order, by replicas that go on all the while', async () => {
    const seen: number[] = [];
    await replica(seen);
    await replica(seen, await cluster.another());
    for (let n = 1; n <= 3; n++) await note(n);
    await pause(5);
    const from = await clock();
    for (let n = 4; n <= 8; n++) await note(n);
    await until(() => seen.length === 8);
    expect((await extentOfReplay(shards, 'notes', from)).map(({ events }) => events)).toEqual([5, 0]);
    const said: string[] = [];
    const done = await replayFrom(shards, 'notes', from, { onProgress: (line) => said.push(line) });
    expect(done).toMatchObject([
      { shard: 's1', forgotten: 0, unparked: 0, behind: expect.any(String) as string },
      { shard: 's2', forgotten: 5, unparked: 0, behind: null },
    ]);
    expect(said.some((line) => line.includes('to let go'))).toBe(true);
    await note(9);
    await until(() => seen.length === 14);
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 4, 5, 6, 7, 8, 9]);
  });

  it('brings what is parked again in its place, before what waits behind it', async () => {
    const seen: number[] = [];
    let broken = true;
    await replica(seen, shards, (n) => {
      if (n === 2 && broken) throw new Error('not today');
    });
    const from = await clock();
    for (let n = 1; n <= 3; n++) await note(n);
    const parked = async () =>
      (
        await shards.queryShard<{ n: number }>('s1', {
          text: 'SELECT count(*)::int AS n FROM rookery_parked',
        })
      )[0]!.n;
    await until(async () => (await parked()) === 2);
    broken = false;
    const [first] = await replayFrom(shards, 'notes', from);
    expect(first!.unparked).toBe(2);
    await until(() => seen.length === 4);
    expect(seen).toEqual([1, 1, 2, 3]);
    // A handler has seen an event before it is out of the parking lot.
    await until(async () => (await parked()) === 0);
  });

  it('never moves a group forward', async () => {
    const first = await replica([]);
    await first.stop();
    for (let n = 1; n <= 3; n++) await note(n);
    const from = await clock();
    await note(4);
    await tick();
    await replayFrom(shards, 'notes', from);
    const seen: number[] = [];
    await replica(seen);
    await until(() => seen.includes(4));
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it('does not pass over a number that is drawn before the time and committed after the replay', async () => {
    const seen: number[] = [];
    await replica(seen);
    const late = await cluster.client();
    await late.query('BEGIN');
    await late.query(`INSERT INTO rookery_event (seq, xid, shard_slot, topic, key, id, type, version, payload)
      VALUES (nextval('rookery_event_seq'), pg_current_xact_id(), 7, 'spec', 'late', rookery_new_id(7), 'spec.noted', 1, '{"name":"late","n":1}')`);
    const from = await clock();
    await note(2);
    await until(() => seen.length === 1);
    await until(savedAll);
    await tick();
    await replayFrom(shards, 'notes', from);
    await late.query('COMMIT');
    await note(3);
    await until(() => seen.includes(3));
    await until(() => seen.length === 4);
    expect([...seen].sort((a, b) => a - b)).toEqual([1, 2, 2, 3]);
  });

  it('loses nothing if it ends after it forgot what was applied', async () => {
    const seen: number[] = [];
    await replica(seen);
    const from = await clock();
    for (let n = 1; n <= 3; n++) await note(n);
    await until(() => seen.length === 3);
    const breaking = Object.create(shards) as Shards;
    let transactions = 0;
    breaking.transactionAt = (shard, work, options) => {
      transactions += 1;
      // Two to take the lanes, two to forget; then it dies.
      if (transactions === 5) throw new Error('killed');
      return shards.transactionAt(shard, work, options);
    };
    await expect(replayFrom(breaking, 'notes', from)).rejects.toThrow('killed');
    await note(4);
    await until(() => seen.includes(4));
    // What its replica had not saved as passed yet may come again; that was to come again anyway.
    expect([...new Set(seen)]).toEqual([1, 2, 3, 4]);
    expect(seen.at(-1)).toBe(4);
  });

  it('refuses a group that nobody knows', async () => {
    await expect(replayFrom(shards, 'nobody', new Date())).rejects.toMatchObject({
      code: 'RK_EVENTS_UNKNOWN_GROUP',
    });
  });
});

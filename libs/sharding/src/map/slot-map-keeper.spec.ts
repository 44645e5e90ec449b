import { testDatabases } from '@rookery/devstack/testing';
import type pg from 'pg';
import { atSlot } from '../slots/slot.js';
import { FaultyLink } from '../testing/faulty-link.js';
import { testShards, type TestShards } from '../testing/test-shards.js';
import { STEADY } from '../testing/time.js';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Hands a slot over as far as the map is concerned: there are no rows here. */
async function move(clients: readonly pg.Client[], slot: number, from: number, to: number, epoch: number) {
  await clients[from]!.query(`UPDATE rookery_slot SET state = 'closed' WHERE slot = $1`, [slot]);
  await clients[to]!.query(`INSERT INTO rookery_slot (slot, epoch, state) VALUES ($1, $2, 'open')`, [
    slot,
    epoch,
  ]);
  await clients[from]!.query('DELETE FROM rookery_slot WHERE slot = $1', [slot]);
}

const SILENT = `CREATE OR REPLACE FUNCTION rookery_slot_changed() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN UPDATE rookery_slot_version SET version = version + 1; RETURN NULL; END $$`;

describe('what a replica knows of the slot map', () => {
  let cluster: TestShards;
  let clients: pg.Client[];
  beforeEach(async () => {
    cluster = await testShards({ databases: testDatabases, ...STEADY });
    clients = [await cluster.client(0), await cluster.client(1)];
  }, 60_000);
  afterEach(() => cluster.close());

  const until = async (condition: () => boolean | Promise<boolean>) => {
    while (!(await condition())) await pause(2);
  };

  it('follows a change by NOTIFY, long before the next poll', async () => {
    expect(await cluster.shards.shardOf(atSlot(5))).toBe('s1');
    const since = performance.now();
    await move(clients, 5, 0, 1, 2);
    await until(() => cluster.shards.slotsOf('s2').includes(5));
    expect(performance.now() - since).toBeLessThan(60_000);
    expect(cluster.shards.slotsOf('s1')).not.toContain(5);
  });

  it('survives a listener that throws, and so do the shard and the other listeners', async () => {
    const warnings: string[] = [];
    const replica = await cluster.another({ onWarning: (message) => warnings.push(message) });
    const heard: string[] = [];
    replica.onNotification('news', () => {
      throw new Error('cannot read that');
    });
    replica.onNotification('news', (_, payload) => heard.push(payload));
    await until(() => heard.filter((payload) => payload === '').length >= 2);
    await clients[0]!.query(`NOTIFY news, 'one'`);
    await until(() => heard.includes('one'));
    expect(replica.status().map(({ state }) => state)).toEqual(['up', 'up']);
    expect(new Set(warnings)).toEqual(
      new Set(['s1', 's2'].map((shard) => `a notification on news of shard ${shard} could not be taken`)),
    );
    await replica.close();
  });

  it('follows by polling alone when NOTIFY is lost', async () => {
    for (const client of clients) await client.query(SILENT);
    const polling = await cluster.another({ pollMs: 30 });
    await move(clients, 6, 0, 1, 2);
    await until(() => polling.slotsOf('s2').includes(6));
    await until(() => !polling.slotsOf('s1').includes(6));
    // The one that does not poll has heard of nothing: what the others saw was the poll.
    expect(cluster.shards.slotsOf('s1')).toContain(6);
    await polling.close();
  });

  it('is confirmed before a read once its lease has run out', async () => {
    for (const client of clients) await client.query(SILENT);
    const leased = await cluster.another({ leaseMs: 60 });
    await move(clients, 7, 0, 1, 2);
    expect(await cluster.shards.shardOf(atSlot(7))).toBe('s1');
    await pause(80);
    expect(await leased.shardOf(atSlot(7))).toBe('s2');
    await leased.close();
  });

  it('confirms the lease of one shard without waiting for another that hangs', async () => {
    const link = await FaultyLink.to(cluster.urls[1]!);
    const leased = await cluster.another({
      leaseMs: 30,
      shards: [{ url: cluster.urls[0]! }, { url: link.url }],
    });
    link.freeze();
    await pause(50);
    expect(await leased.shardOf(atSlot(7))).toBe('s1');
    // Whoever waits for the one that hangs waits until it is given up.
    expect(leased.status().map(({ state }) => state)).toEqual(['up', 'up']);
    await leased.close();
    await link.close();
  });

  it('takes the higher epoch where two shards name one slot', async () => {
    await clients[1]!.query(`INSERT INTO rookery_slot (slot, epoch, state) VALUES (8, 2, 'open')`);
    await until(() => cluster.shards.slotsOf('s2').includes(8));
    expect(await cluster.shards.shardOf(atSlot(8))).toBe('s2');
    const another = await cluster.another();
    expect(await another.shardOf(atSlot(8))).toBe('s2');
    await another.close();
  });

  it('says that nobody owns a slot, and finds the owner as soon as there is one', async () => {
    await clients[0]!.query('DELETE FROM rookery_map WHERE slot = 9');
    await clients[0]!.query('DELETE FROM rookery_slot WHERE slot = 9');
    await until(() => !cluster.shards.slotsOf('s1').includes(9));
    await expect(cluster.shards.shardOf(atSlot(9))).rejects.toMatchObject({
      code: 'RK_SHARDING_SLOT_UNOWNED',
      status: 503,
      retryAfterSeconds: 1,
    });
    await expect(cluster.shards.scatter({ text: 'SELECT 1' })).rejects.toMatchObject({
      code: 'RK_SHARDING_SLOT_UNOWNED',
    });
    await clients[1]!.query(`INSERT INTO rookery_slot (slot, epoch, state) VALUES (9, 2, 'open')`);
    expect(await cluster.shards.shardOf(atSlot(9))).toBe('s2');
  });
});

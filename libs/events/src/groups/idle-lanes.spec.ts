import { testDatabases } from '@rookery/devstack/testing';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { eventsSchema } from '../events.schema.js';
import { dropInboxes, keepLog } from '../log/partitions.js';
import { passIdleLanes } from './idle-lanes.js';

describe('lanes that nobody reads any more', () => {
  let cluster: TestShards;
  let shard: string;
  const run = <R>(text: string): Promise<R[]> => cluster.shards.queryShard<R>(shard, { text });

  beforeEach(async () => {
    cluster = await testShards({ databases: testDatabases, migrations: eventsSchema, count: 2 });
    shard = cluster.shards.shardNames[0]!;
    await run(`INSERT INTO rookery_event_tick (seq_below, xid, made_at)
      VALUES (100, pg_current_xact_id(), now() - interval '4 days')`);
    await run(`INSERT INTO rookery_event_tick (seq_below, xid, made_at)
      VALUES (200, pg_current_xact_id(), now() - interval '1 day')`);
  });
  afterEach(() => cluster.close());

  const cursors = async (): Promise<unknown[]> =>
    (await run<{ cursor: unknown }>('SELECT cursor FROM rookery_lane ORDER BY grp, lane')).map(
      ({ cursor }) => cursor,
    );
  const from = (done: string) => ({ from: null, upto: null, done });

  it('go past what is old, and no further; those that are further stay', async () => {
    await run(`INSERT INTO rookery_lane (grp, lane, cursor) VALUES
      ('feed', 0, '{"from": null, "upto": null, "done": "5"}'),
      ('feed', 1, '{"from": "3:3:", "upto": null, "done": "0"}'),
      ('feed', 2, '{"from": null, "upto": null, "done": "150"}'),
      ('tags', 0, '{"from": null, "upto": null, "done": "5"}')`);
    // A present snapshot may be held back by a transaction of another test, on the same server.
    await run(`INSERT INTO rookery_lane (grp, lane, cursor) VALUES
      ('feed', 3, '{"from": "9000000000:9000000000:", "upto": null, "done": "0"}')`);
    const before = await cursors();
    await passIdleLanes(cluster.shards, shard, ['feed'], 3.5);
    expect(await cursors()).toEqual([from('100'), from('100'), from('150'), before[3], from('5')]);
  });

  it('are left alone while somebody reads the log for their group', async () => {
    await run(
      `INSERT INTO rookery_lane (grp, lane, cursor) VALUES ('feed', 0, '{"from": null, "upto": null, "done": "5"}')`,
    );
    await run(
      `INSERT INTO rookery_member (grp, replica, types, until) VALUES ('feed', 'r', '{}', now() + interval '1 minute')`,
    );
    await passIdleLanes(cluster.shards, shard, ['feed'], 3.5);
    expect(await cursors()).toEqual([from('5')]);
  });

  it('keep the inboxes of a day whose events they have not passed, on every shard: they may be read again', async () => {
    const { shards } = cluster;
    for (const table of ['event', 'inbox']) {
      for (const day of ['20200101', '20200102']) {
        const bounds = [day, String(Number(day) + 1)].map((at) =>
          table === 'event' ? `'${at} 00:00:00+00'` : `rookery_id_floor('${at}'::timestamptz)`,
        );
        const text = `CREATE TABLE rookery_${table}_${day} PARTITION OF rookery_${table} FOR VALUES FROM (${bounds[0]}) TO (${bounds[1]})`;
        for (const each of shards.shardNames) await shards.queryShard(each, { text });
      }
    }
    await shards.transactionAt(shard, async (tx) => {
      await tx.query({ text: `SELECT set_config('rookery.slot', 'mover', true)` });
      await tx.query({
        text: `INSERT INTO rookery_event (seq, xid, shard_slot, topic, key, id, type, version, payload, created_at)
               VALUES (7, pg_current_xact_id(), 0, 't', 'k', gen_random_uuid(), 't.x', 1, '{}', '2020-01-02 12:00:00+00')`,
      });
    });
    await run(
      `INSERT INTO rookery_lane (grp, lane, cursor) VALUES ('feed', 0, '{"from": null, "upto": null, "done": "5"}')`,
    );
    const { dropped, kept } = await keepLog(shards, shard, 7);
    expect(kept).toEqual([{ partition: 'rookery_event_20200102', groups: ['feed'] }]);
    expect(dropped).toEqual(['rookery_event_20200101']);
    for (const each of shards.shardNames) {
      expect(await dropInboxes(shards, each, 7, ['rookery_event_20200102'])).toEqual([
        'rookery_inbox_20200101',
      ]);
    }
    await run(`UPDATE rookery_lane SET cursor = '{"from": null, "upto": null, "done": "7"}'`);
    expect((await keepLog(shards, shard, 7)).dropped).toEqual(['rookery_event_20200102']);
    expect(await dropInboxes(shards, shard, 7, [])).toEqual(['rookery_inbox_20200102']);
  });
});

import { testDatabases } from '@rookery/devstack/testing';
import type { Shards } from '@rookery/sharding';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import type { Events } from './events.js';
import type { EventsInternals } from './events.options.js';
import { eventsSchema } from './events.schema.js';
import {
  handling,
  handlingMany,
  record,
  recorded,
  recorderKeys,
  recorderSchema,
  testEvents,
  untilSeen,
  verdictOn,
  writeKeys,
} from './testing/index.js';

/** A machine that is held up delays the handlers; what is lost stays lost. */
const CAUGHT_UP_MS = 40_000;
const NOTHING_WRONG = { lost: 0, duplicated: 0, inverted: 0 };

describe('no event is lost, applied twice, or applied out of order', () => {
  let cluster: TestShards;
  beforeEach(async () => {
    cluster = await testShards({
      databases: testDatabases,
      migrations: [...eventsSchema, recorderSchema],
      poolMax: 16,
      // Every write has to stand, however long it takes.
      defaultDeadlineMs: 30_000,
      connectTimeoutMs: 20_000,
    });
  }, 60_000);
  afterEach(() => cluster.close());

  const replica = async (shards: Shards, internals: EventsInternals = {}, options = {}): Promise<Events> => {
    const events = testEvents(
      shards,
      [
        handling(recorded, { group: 'one' }, record.one('one')),
        handlingMany(recorded, { group: 'many' }, record.many('many')),
      ],
      options,
      internals,
    );
    await events.start();
    return events;
  };

  it('with two replicas that read while transactions dawdle', async () => {
    const second = await cluster.another();
    const events = [await replica(cluster.shards), await replica(second)];
    const { failed } = await writeKeys({
      shards: cluster.shards,
      keys: recorderKeys(50),
      writers: 16,
      writes: 600,
    });
    expect(failed).toBe(0);
    for (const group of ['one', 'many']) {
      await untilSeen(cluster.shards, group, CAUGHT_UP_MS);
      expect(await verdictOn(cluster.shards, group)).toMatchObject({
        written: 600,
        seen: 600,
        ...NOTHING_WRONG,
      });
    }
    await Promise.all(events.map((one) => one.stop()));
    await second.close();
  }, 120_000);

  it.each([
    ['when a cursor was set back: the inbox knows what was applied', false],
    ['unless the inbox is taken away: then events are applied twice', true],
  ])(
    '%s',
    async (_, withoutInbox) => {
      const keys = recorderKeys(20);
      const first = await replica(cluster.shards, { withoutInbox });
      await writeKeys({ shards: cluster.shards, keys, writers: 4, writes: 100 });
      await untilSeen(cluster.shards, 'one', CAUGHT_UP_MS);
      await untilSeen(cluster.shards, 'many', CAUGHT_UP_MS);
      await first.stop();
      await cluster.shards.scatter({
        text: `UPDATE rookery_lane SET cursor = '{"from": null, "upto": null, "done": "0"}'`,
      });
      const second = await replica(cluster.shards, { withoutInbox });
      await writeKeys({ shards: cluster.shards, keys, writers: 4, writes: 100 });
      for (const group of ['one', 'many']) {
        await untilSeen(cluster.shards, group, CAUGHT_UP_MS);
        const { written, lost, duplicated } = await verdictOn(cluster.shards, group);
        expect({ written, lost, duplicated: duplicated > 0 }).toEqual({
          written: 200,
          lost: 0,
          duplicated: withoutInbox,
        });
      }
      await second.stop();
    },
    120_000,
  );

  it('when a backlog is walked through that is too large to be sorted, while more is written', async () => {
    const idle = testEvents(cluster.shards, [], { events: [recorded] });
    const keys = recorderKeys(40);
    await writeKeys({ shards: cluster.shards, keys, writers: 16, writes: 900, dawdleMs: 0 });
    const events = await replica(cluster.shards);
    await writeKeys({ shards: cluster.shards, keys, writers: 8, writes: 300, dawdleMs: 4 });
    await untilSeen(cluster.shards, 'many', CAUGHT_UP_MS);
    expect(await verdictOn(cluster.shards, 'many')).toMatchObject({
      written: 1_200,
      seen: 1_200,
      ...NOTHING_WRONG,
    });
    await events.stop();
    await idle.stop();
  }, 120_000);
});

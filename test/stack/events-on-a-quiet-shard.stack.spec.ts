import { setTimeout as pause } from 'node:timers/promises';
import { testDatabases } from '@rookery/devstack/testing';
import { atSlot, type Shards } from '@rookery/sharding';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { z } from 'zod';
import { defineEvent, eventsSchema, type Events } from '@rookery/events';
import { handling, testEvents } from '@rookery/events/testing';

const rang = defineEvent({
  type: 'clock.rang',
  key: ({ clock }) => clock,
  schema: z.object({ clock: z.string() }),
});

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await pause(5);
};

describe('a quiet shard', () => {
  let cluster: TestShards;
  const running: Events[] = [];
  beforeEach(async () => {
    cluster = await testShards({ databases: testDatabases, migrations: eventsSchema, count: 1 });
  }, 60_000);
  afterEach(async () => {
    await Promise.all(running.splice(0).map((events) => events.stop()));
    await cluster.close();
  });

  const start = async (shards: Shards, pollMs: number, onRang: () => void = () => undefined) => {
    const events = testEvents(shards, [handling(rang, { group: 'ears' }, async () => onRang())], { pollMs });
    running.push(events);
    await events.start();
  };
  /** How often a shard has been looked at through these shards from now on. */
  const looksOf = (shards: Shards): (() => number) => {
    let looks = 0;
    const ask = shards.queryShard.bind(shards);
    shards.queryShard = (shard, statement) => {
      if (statement.name === 'rookery.events.pulse') looks += 1;
      return ask(shard, statement);
    };
    return () => looks;
  };
  const ring = (shards: Shards, inMs: number): Promise<number> => {
    const at = Date.now() + inMs;
    return shards.transaction(atSlot(7), async (tx) => {
      tx.publish(rang({ clock: 'tower' }, { availableAt: new Date(at) }));
      return at;
    });
  };

  it.each([
    // A little after a look that it would have if nobody minded the time: the next one would be six seconds later.
    ['this replica', 6_800],
    ['another one', 300],
  ])(
    'lets what %s publishes for %i ms later come in time, though nobody would look for long',
    async (which, inMs) => {
      let rungAt = 0;
      const looks = looksOf(cluster.shards);
      await start(cluster.shards, 60_000, () => (rungAt = Date.now()));
      const other = await cluster.another();
      testEvents(other, [], { events: [rang] });
      const publisher = which === 'this replica' ? cluster.shards : other;
      // By then the next look would be after more than six seconds.
      await until(() => looks() >= 9);
      const due = await ring(publisher, inMs);
      await until(() => rungAt > 0);
      expect(rungAt - due).toBeGreaterThanOrEqual(-50);
      expect(rungAt - due).toBeLessThan(5_000);
    },
  );
});

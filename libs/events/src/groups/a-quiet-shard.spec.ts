import { setTimeout as pause } from 'node:timers/promises';
import { testDatabases } from '@rookery/devstack/testing';
import type { Shards } from '@rookery/sharding';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { z } from 'zod';
import { defineEvent } from '../definition/define-event.js';
import type { Events } from '../events.js';
import { eventsSchema } from '../log/log.schema.js';
import { handling, testEvents } from '../testing/index.js';

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

  const start = async (shards: Shards, pollMs: number) => {
    const events = testEvents(shards, [handling(rang, { group: 'ears' }, () => Promise.resolve())], {
      pollMs,
    });
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

  it('is looked at less often by a replica that hears what it tells than by one that is deaf', async () => {
    const [hearing, deaf] = [cluster.shards, await cluster.another()];
    deaf.onNotification = () => () => undefined;
    const [looks, deafLooks] = [looksOf(hearing), looksOf(deaf)];
    await start(hearing, 50);
    await start(deaf, 50);
    await until(() => deafLooks() > 8);
    const [before, deafBefore] = [looks(), deafLooks()];
    await until(() => deafLooks() - deafBefore >= 24);
    // A quarter, or a few more where one of the two was held up.
    expect(looks() - before).toBeLessThanOrEqual(12);
    expect(looks() - before).toBeGreaterThan(0);
  });
});

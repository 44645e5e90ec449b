import { setTimeout as pause } from 'node:timers/promises';
import { testDatabases } from '@rookery/devstack/testing';
import { atSlot, type Shards } from '@rookery/sharding';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { z } from 'zod';
import { defineEvent } from '../definition/define-event.js';
import type { Events } from '../events.js';
import { eventsSchema } from '../events.schema.js';
import { parseNews } from '../log/notifier.js';
import { handling, testEvents } from '../testing/index.js';

const rang = defineEvent({
  type: 'clock.rang',
  key: ({ clock }) => clock,
  schema: z.object({ clock: z.string() }),
});

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await pause(5);
};
const middleOf = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1]!;

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

  const start = async (shards: Shards, replicaId: string, pollMs: number) => {
    const events = testEvents(shards, [handling(rang, { group: 'ears' }, () => Promise.resolve())], {
      replicaId,
      pollMs,
    });
    running.push(events);
    await events.start();
  };
  /** Milliseconds from the answer to each look at a shard, through these shards, to the next look. */
  const restsOf = (shards: Shards): readonly number[] => {
    const rests: number[] = [];
    let answeredAt: number | undefined;
    const ask = shards.queryShard.bind(shards);
    shards.queryShard = <R>(...[shard, statement]: Parameters<Shards['queryShard']>): Promise<R[]> => {
      if (statement.name !== 'rookery.events.pulse') return ask<R>(shard, statement);
      if (answeredAt !== undefined) rests.push(performance.now() - answeredAt);
      return ask<R>(shard, statement).finally(() => (answeredAt = performance.now()));
    };
    return rests;
  };
  /** Resolves once a replica has heard what it told itself. */
  const hears = (shards: Shards, replicaId: string): Promise<void> =>
    new Promise((resolve) => {
      const listen = shards.onNotification.bind(shards);
      shards.onNotification = (channel, listener) =>
        listen(channel, (shard, payload) => {
          listener(shard, payload);
          if (parseNews(payload).replicaId === replicaId) resolve();
        });
    });

  it('is looked at less often by a replica that hears what it tells than by one that is deaf', async () => {
    const [hearing, deaf] = [cluster.shards, await cluster.another()];
    deaf.onNotification = () => () => undefined;
    const [rests, deafRests] = [restsOf(hearing), restsOf(deaf)];
    const heard = hears(hearing, 'hearing');
    await start(hearing, 'hearing', 50);
    await start(deaf, 'deaf', 50);
    await heard;
    // By then both have come to rest as long as they will.
    const [before, deafBefore] = [rests.length + 4, deafRests.length + 4];
    await until(() => rests.length >= before + 5 && deafRests.length >= deafBefore + 12);
    // Four times as long. No rest is shorter than it is meant to be, but any may be longer on a busy machine.
    const shortest = Math.min(...deafRests.slice(deafBefore));
    expect(middleOf(rests.slice(before))).toBeGreaterThan(2 * shortest);
  });

  it('is read only by the replica that has the lane of the news, where another one tells of it', async () => {
    const handled: Record<string, number> = { one: 0, other: 0 };
    const replicas = { one: cluster.shards, other: await cluster.another() };
    const reads: Record<string, number> = { one: 0, other: 0 };
    const begun = await Promise.all(
      Object.entries(replicas).map(async ([name, shards]) => {
        const ask = shards.queryShard.bind(shards);
        shards.queryShard = <R>(...[shard, statement]: Parameters<Shards['queryShard']>): Promise<R[]> => {
          if (statement.name === 'rookery.events.since') reads[name]! += 1;
          return ask<R>(shard, statement);
        };
        const heard = hears(shards, name);
        const ring = handling(rang, { group: 'ears' }, async (_, tx) =>
          tx.afterCommit(() => (handled[name]! += 1)),
        );
        // Whoever is not told waits for longer than this test may take.
        const events = testEvents(shards, [ring], { replicaId: name, pollMs: 600_000 });
        running.push(events);
        await events.start();
        await heard;
        return events;
      }),
    );
    const lanes = () => begun.map((events) => events.lanes()['s1']?.['ears'] ?? []);
    await until(() => lanes().every((there) => there.length === 8));
    const publisher = await cluster.another();
    testEvents(publisher, [], { events: [rang] });
    const [mine] = lanes()[0]!;
    const before = { ...reads };
    for (let n = 1; n <= 10; n += 1) {
      await publisher.transaction(atSlot(mine!), async (tx) => tx.publish(rang({ clock: `clock ${n}` })));
      await until(() => handled['one']! >= n);
    }
    expect(handled).toEqual({ one: 10, other: 0 });
    expect(reads['one']! - before['one']!).toBeGreaterThanOrEqual(10);
    expect(reads['other']! - before['other']!).toBe(0);
  });

  it.each(['the replica itself', 'another one'])(
    'is looked at in time for what %s publishes for later, though nobody would look for long',
    async (which) => {
      const heard = hears(cluster.shards, 'hearing');
      const rests = restsOf(cluster.shards);
      let rungAt = 0;
      const ring = handling(rang, { group: 'ears' }, async (_, tx) =>
        tx.afterCommit(() => (rungAt = Date.now())),
      );
      const events = testEvents(cluster.shards, [ring], { replicaId: 'hearing', pollMs: 600_000 });
      running.push(events);
      await events.start();
      await heard;
      const other = await cluster.another();
      testEvents(other, [], { events: [rang] });
      const looks = rests.length;
      const due = Date.now() + 500;
      await (which === 'another one' ? other : cluster.shards).transaction(atSlot(7), async (tx) =>
        tx.publish(rang({ clock: 'tower' }, { availableAt: new Date(due) })),
      );
      await until(() => rungAt > 0);
      expect(rungAt - due).toBeGreaterThanOrEqual(-50);
      expect(rests.length).toBeGreaterThan(looks);
    },
  );
});

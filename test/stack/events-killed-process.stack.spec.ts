import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { testDatabases } from '@rookery/devstack/testing';
import { defineEvent, eventsSchema } from '@rookery/events';
import { handling, testEvents } from '@rookery/events/testing';
import { newId } from '@rookery/kernel';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { z } from 'zod';
import { until } from '../support/until.js';

const script = join(import.meta.dirname, '../../libs/events/src/testing/killed-process.mjs');
const schema = z.object({ key: z.string(), n: z.number() });
const said = defineEvent({ type: 'talk.said', key: ({ key }) => key, schema });

describe('an event that ends whatever process handles it', () => {
  let cluster: TestShards;
  beforeAll(async () => {
    cluster = await testShards({ databases: testDatabases, migrations: eventsSchema, count: 1 });
  }, 60_000);
  afterAll(() => cluster.close());

  const parked = () =>
    cluster.shards.queryShard<{ key: string; state: string; code: string | null }>('s1', {
      text: 'SELECT key, state, code FROM rookery_parked ORDER BY place',
    });

  it('is parked after the third time, held, and held again if it is replayed; other keys flow', async () => {
    const [killer, other] = [newId(9), newId(25)];
    const publisher = testEvents(cluster.shards, [], { events: [said] });
    const say = (key: string, n: number) =>
      cluster.shards.transaction(key, async (tx) => tx.publish(said({ key, n })));
    /** A process that handles, until it ends, or `over` holds. Gives the signal that ended it. */
    const live = async (over: () => Promise<boolean>): Promise<string | null> => {
      const child = spawn(process.execPath, [script, killer, ...cluster.urls], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, MIGRATIONS: '[]' },
      });
      let ended = false;
      const end = once(child, 'close') as Promise<[number | null, string | null]>;
      void end.then(() => (ended = true));
      await until('the end of a process', async () => ended || (await over()), 60_000);
      child.kill('SIGTERM');
      return (await end)[1];
    };

    await say(killer, 1);
    let kills = 0;
    while ((await live(async () => (await parked()).length > 0)) === 'SIGKILL') kills += 1;
    expect(kills).toBeGreaterThanOrEqual(3);
    expect(await parked()).toEqual([{ key: killer, state: 'held', code: 'RK_EVENTS_KILLED_THE_PROCESS' }]);

    // As a replay by hand says it.
    await cluster.shards.transaction(killer, (tx) =>
      tx.execute({ text: `UPDATE rookery_parked SET state = 'waiting', attempts = 0, retry_at = now()` }),
    );
    expect(await live(() => Promise.resolve(false))).toBe('SIGKILL');
    expect(await parked()).toMatchObject([{ key: killer, state: 'held' }]);

    const seen: string[] = [];
    const events = testEvents(cluster.shards, [
      handling(said, { group: 'notes' }, async ({ data }) => void seen.push(data.key)),
    ]);
    await events.start();
    await say(killer, 2);
    await say(other, 1);
    await until('the other key', () => Promise.resolve(seen.length === 1));
    await until('the event behind it', async () => (await parked()).length === 2);
    expect(seen).toEqual([other]);
    await events.stop();
    await publisher.stop();
  });
});

import { setTimeout as pause } from 'node:timers/promises';
import { testDatabases } from '@rookery/devstack/testing';
import { noopMeter, type Meter } from '@rookery/kernel';
import type { Shards } from '@rookery/sharding';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { eventsSchema } from '../events.schema.js';
import { SoleReplica } from './sole-replica.js';

const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await pause(5);
};

describe('a replica', () => {
  let cluster: TestShards;
  const running: SoleReplica[] = [];
  /** Who was told that it is alone, in order. */
  let told: string[] = [];
  beforeEach(async () => {
    told = [];
    cluster = await testShards({ databases: testDatabases, migrations: eventsSchema, count: 1 });
  }, 60_000);
  afterEach(async () => {
    await Promise.all(running.splice(0).map((one) => one.stop()));
    await cluster.close();
  });

  const make = (shards: Shards, replicaId: string, holdMs = 60_000): SoleReplica => {
    const one = new SoleReplica(shards, {
      name: 'test',
      replicaId,
      holdMs,
      onSole: () => told.push(replicaId),
    });
    running.push(one);
    return one;
  };

  it('is alone until another one comes, which does not begin before that is known', async () => {
    const first = make(cluster.shards, 'a');
    await first.start();
    expect([first.isSole, told]).toEqual([true, ['a']]);
    const second = make(await cluster.another(), 'b');
    await second.start();
    expect([first.isSole, second.isSole, told]).toEqual([false, false, ['a']]);
  });

  it('measures whether it believes itself alone, for as long as it runs', async () => {
    const readings = new Set<Parameters<Meter['gauge']>[1]>();
    const meter: Meter = {
      ...noopMeter,
      gauge: ({ name }, read) => {
        expect(name).toBe('rookery_events_sole_replica');
        readings.add(read);
        return () => readings.delete(read);
      },
    };
    const measured = () => [...readings].flatMap((read) => [...read()]);
    const options = { name: 'test', replicaId: 'a', holdMs: 60_000, onSole: () => undefined, meter };
    const first = new SoleReplica(cluster.shards, options);
    running.push(first);
    await first.start();
    expect(measured()).toEqual([{ value: 1, labels: { name: 'test' } }]);
    await make(await cluster.another(), 'b').start();
    expect(measured()).toEqual([{ value: 0, labels: { name: 'test' } }]);
    await first.stop();
    expect(measured()).toEqual([]);
  });

  it('is alone again when the other one has left, and told so before', async () => {
    const first = make(cluster.shards, 'a', 3_000);
    await first.start();
    const second = make(await cluster.another(), 'b', 3_000);
    await second.start();
    const before = told.length;
    await second.stop();
    running.pop();
    await until(() => first.isSole);
    expect(told.slice(before)).toEqual(['a']);
  });

  it('that cannot say that it is here stops believing by itself, before anybody takes its place', async () => {
    const shards = await cluster.another();
    let thaw: () => void = () => undefined;
    let gate = Promise.resolve();
    const freezing: Shards = Object.create(shards, {
      queryShard: {
        value: (...args: Parameters<Shards['queryShard']>) => gate.then(() => shards.queryShard(...args)),
      },
    }) as Shards;
    const first = make(freezing, 'a', 600);
    await first.start();
    // From now on it says nothing, as if its process were stopped.
    gate = new Promise((resolve) => (thaw = resolve));
    const second = make(cluster.shards, 'b', 600);
    await second.start();
    expect(first.isSole).toBe(false);
    await until(() => second.isSole);
    expect(first.isSole).toBe(false);
    thaw();
  });

  it('that is not told yet that it is not alone any more is waited for', async () => {
    const shards = await cluster.another();
    let thaw: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (thaw = resolve));
    // The answer that says so is long on its way, as if the process were stopped just when it has asked.
    const late: Shards = Object.create(shards, {
      queryShard: {
        value: async (...args: Parameters<Shards['queryShard']>) => {
          const rows = await shards.queryShard<{ sole?: boolean }>(...args);
          if (rows[0]?.sole === false) await gate;
          return rows;
        },
      },
    }) as Shards;
    const first = make(late, 'a', 1_500);
    await first.start();
    const second = make(cluster.shards, 'b', 1_500);
    await second.start();
    const { isSole } = first;
    thaw();
    expect(isSole).toBe(false);
  });

  it('starts while a shard is away, and is not alone before that one has been told', async () => {
    const shards = await cluster.another();
    let away = true;
    const half: Shards = Object.create(shards, {
      shardNames: { value: ['s1', 'elsewhere'] },
      queryShard: {
        value: (shard: string, statement: Parameters<Shards['queryShard']>[1]) =>
          away && shard === 'elsewhere'
            ? Promise.reject(new Error('away'))
            : shards.queryShard('s1', statement),
      },
    }) as Shards;
    const one = make(half, 'a', 300);
    await one.start();
    expect(one.isSole).toBe(false);
    away = false;
    await until(() => one.isSole);
  });

  it('never is alone with another one, however they come and go', async () => {
    const shards = await Promise.all([cluster.another(), cluster.another(), cluster.another()]);
    const served = new Set<SoleReplica>();
    const wrong: string[] = [];
    const watch = setInterval(() => {
      const sole = [...served].filter((one) => one.isSole);
      if (sole.length > 0 && served.size > 1) wrong.push(`${sole.length} of ${served.size}`);
    }, 1);
    await Promise.all(
      shards.map(async (on, i) => {
        for (let round = 0; round < 8; round++) {
          const one = new SoleReplica(on, {
            name: 'test',
            replicaId: `r${i}.${round}`,
            holdMs: 400,
            onSole: () => undefined,
          });
          await one.start();
          served.add(one);
          await pause(Math.random() * 60);
          served.delete(one);
          await one.stop();
        }
      }),
    );
    clearInterval(watch);
    expect(wrong).toEqual([]);
  });
});

import { testDatabases } from '@rookery/devstack/testing';
import type pg from 'pg';
import { Deadline, newId, runInContext } from '@rookery/kernel';
import type { Statement } from '../pool/statement.js';
import type { Shards } from '../shards.js';
import { natural, slotOfNaturalKey } from '../slots/slot.js';
import { FaultyLink } from '../testing/faulty-link.js';
import { faultsOf, Gone, KIND, NO_FAULTS, register, remove, rename } from '../testing/named-things.js';
import { testShards, type TestShards } from '../testing/test-shards.js';
import { STEADY } from '../testing/time.js';
import { insertThing, Thing, thingById, things } from '../testing/thing.js';
import * as sql from './directory.sql.js';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const taken = { code: 'RK_SHARDING_TAKEN', status: 409, data: { kind: KIND } };

describe('the directory', () => {
  let cluster: TestShards;
  let shards: Shards;
  let clients: pg.Client[];
  let links: FaultyLink[];

  beforeAll(async () => {
    links = [];
    cluster = await testShards({
      databases: testDatabases,
      migrations: [things],
      entities: [Thing],
      ...STEADY,
      through: async (url) => {
        const link = await FaultyLink.to(url);
        links.push(link);
        return link.url;
      },
    });
    shards = cluster.shards;
    clients = [await cluster.client(0), await cluster.client(1)];
  }, 60_000);
  afterEach(async () => {
    shards.directory.onStep = undefined;
    shards.directory.leaseMs = 15_000;
    expect(await faultsOf(clients)).toMatchObject(NO_FAULTS);
    for (const client of clients) {
      await client.query('TRUNCATE thing, rookery_directory, rookery_claim, rookery_holding');
    }
  });
  afterAll(async () => {
    await cluster.close();
    await Promise.all(links.map((link) => link.close()));
  });

  it('gives a value to one of a hundred who ask for it at once, over two replicas', async () => {
    const other = await cluster.another();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 100 }, (_, i) => register(i % 2 ? shards : other, 'ada')),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const refused = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
    );
    expect(refused).toHaveLength(99);
    for (const reason of refused) expect(reason).toMatchObject(taken);
    await other.close();
  });

  it('frees a value that its owner gave up, and only then', async () => {
    const ada = await register(shards, 'ada');
    await rename(shards, { id: ada, name: 'ada' }, 'lovelace');
    await expect(register(shards, 'lovelace')).rejects.toMatchObject(taken);
    const bob = await register(shards, 'ada');
    await remove(shards, { id: bob, name: 'ada' });
    await register(shards, 'ada');
  });

  it('lets an owner keep a value that a failed change of its own had taken over', async () => {
    const ada = await register(shards, 'ada');
    const same = { kind: KIND, value: 'ada' };
    await expect(
      shards.directory.transaction(ada, { claim: [same] }, () => Promise.reject(new Error('no'))),
    ).rejects.toThrow('no');
    await expect(register(shards, 'ada')).rejects.toMatchObject(taken);
    await shards.directory.transaction(ada, { claim: [same] }, () => Promise.resolve());
    await expect(register(shards, 'ada')).rejects.toMatchObject(taken);
  });

  it('keeps nothing of a value taken over by a change that failed, once its release was carried out', async () => {
    const ada = await register(shards, 'ada');
    let release: () => void = () => undefined;
    const later = new Promise<void>((resolve) => (release = resolve));
    // The old name is still to be released when its owner wants it back, and then thinks better of it.
    shards.directory.onStep = (step) => (step === 'confirmed' ? later : undefined);
    const renaming = rename(shards, { id: ada, name: 'ada' }, 'lovelace');
    while ((await shards.directory.lookUp(KIND, 'lovelace')) !== ada) await pause(2);
    const back = shards.directory.transaction(ada, { claim: [{ kind: KIND, value: 'ada' }] }, async () => {
      release();
      await renaming;
      throw new Error('thought better of it');
    });
    await expect(back).rejects.toThrow('thought better of it');
    shards.directory.onStep = undefined;
    await register(shards, 'ada');
  });

  describe('when a release meets another change of its row, under way at the same moment', () => {
    const ada = newId(9);
    const again = newId(9);
    const meeting = async (other: Statement): Promise<void> => {
      const client = await cluster.client(slotOfNaturalKey('ada') < 2_048 ? 0 : 1);
      shards.directory.onStep = async (step) => {
        if (step !== 'confirmed') return;
        await client.query('BEGIN');
        await client.query({ ...other, values: [...other.values!] });
      };
      const renaming = rename(shards, { id: ada, name: 'ada' }, 'lovelace');
      const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database()
        AND wait_event_type = 'Lock' AND query LIKE '%rookery_directory%'`;
      while ((await clients[slotOfNaturalKey('ada') < 2_048 ? 0 : 1]!.query(waiting)).rowCount === 0)
        await pause(2);
      await client.query('COMMIT');
      await renaming;
      shards.directory.onStep = undefined;
    };

    it('keeps nothing of a reservation that its owner makes of it', async () => {
      await register(shards, 'ada', ada);
      await meeting(sql.reserve(KIND, 'ada', ada, again, 1));
      await shards.directory.sweep();
      await register(shards, 'ada');
    });

    it('keeps nothing of one that its owner thinks better of', async () => {
      await register(shards, 'ada', ada);
      await shards.transaction(natural('ada'), (tx) =>
        tx.execute(sql.reserve(KIND, 'ada', ada, again, 15_000)),
      );
      await meeting(sql.giveUp(KIND, 'ada', again));
      await register(shards, 'ada');
    });
  });

  it('leaves nothing reserved when one of several values is taken, or the work fails, or time is up', async () => {
    await register(shards, 'ada');
    const id = newId(9);
    const claim = [
      { kind: KIND, value: 'new' },
      { kind: KIND, value: 'ada' },
    ];
    await expect(shards.directory.transaction(id, { claim }, () => Promise.resolve())).rejects.toMatchObject(
      taken,
    );
    await expect(
      shards.directory.transaction(id, { claim: [claim[0]!] }, () => Promise.reject(new Gone())),
    ).rejects.toBeInstanceOf(Gone);
    await expect(
      shards.directory.transaction(
        id,
        { claim: [claim[0]!], prepare: () => Promise.reject(new Gone()) },
        () => Promise.resolve(),
      ),
    ).rejects.toBeInstanceOf(Gone);
    const since = performance.now();
    await expect(
      // Long enough to get as far as the sleep.
      runInContext({ requestId: 'r', deadline: Deadline.after(2_000) }, () =>
        shards.directory.transaction(id, { claim: [claim[0]!] }, (tx) =>
          tx.query({ text: 'SELECT pg_sleep(10)' }),
        ),
      ),
    ).rejects.toMatchObject({ code: 'RK_KERNEL_DEADLINE_EXCEEDED' });
    expect(performance.now() - since).toBeLessThan(9_000);
    // What the request had no time for is done beside it.
    while ((await shards.directory.lookUp(KIND, 'new')) !== undefined) await pause(5);
    await register(shards, 'new');
  });

  it('succeeds when the answer of COMMIT was lost and the claim says that it stands', async () => {
    const id = newId(9);
    const link = links.find((one) => one.url === cluster.options.shards[0]!.url)!;
    let told = 0;
    const value = await shards.directory.transaction(
      id,
      { claim: [{ kind: KIND, value: 'ada' }] },
      async (tx) => {
        tx.afterCommit(() => (told += 1));
        await tx.execute(insertThing(id, 'ada'));
        link.inspectAnswers(() => {
          link.inspectAnswers(undefined);
          link.cut('rookery');
          return 'swallow';
        });
        return 'made';
      },
    );
    expect(value).toBe('made');
    expect(told).toBe(1);
  });

  it('refuses a writer that comes after its lease ran out: the claim row is what stops it', async () => {
    shards.directory.leaseMs = 50;
    const late = async (name: string) => {
      const id = newId(9);
      const sweeper = await cluster.another();
      const outcome = await shards.directory
        .transaction(
          id,
          {
            claim: [{ kind: KIND, value: name }],
            prepare: async () => {
              await pause(70);
              await sweeper.directory.sweep();
              await register(sweeper, name);
            },
          },
          async (tx) => tx.send(insertThing(id, name)),
        )
        .then(
          () => 'written',
          (error: { code?: string }) => error.code,
        );
      await sweeper.close();
      return outcome;
    };
    expect(await late('ada')).toBe('RK_SHARDING_CLAIM_LOST');
    expect(await faultsOf(clients)).toMatchObject(NO_FAULTS);

    // When the two claims of an operation do not meet, nothing tells the late writer, and the name is there twice.
    for (const client of clients) {
      await client.query(`CREATE FUNCTION forget_claim() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN NEW.operation := gen_random_uuid(); RETURN NEW; END $$;
        CREATE TRIGGER forget_claim BEFORE INSERT ON rookery_claim FOR EACH ROW
        WHEN (NEW.outcome = 'committed') EXECUTE FUNCTION forget_claim()`);
    }
    expect(await late('bob')).toBe('written');
    expect((await faultsOf(clients)).duplicates).toEqual(['bob']);
    for (const client of clients) {
      await client.query('DROP FUNCTION forget_claim() CASCADE');
      await client.query('TRUNCATE thing, rookery_directory, rookery_claim, rookery_holding');
    }
  });

  it('swaps nothing when two owners want each other’s value, and leaves nothing dangling', async () => {
    for (let i = 0; i < 10; i++) {
      const [ada, bob] = await Promise.all([register(shards, `ada ${i}`), register(shards, `bob ${i}`)]);
      const outcomes = await Promise.allSettled([
        rename(shards, { id: ada, name: `ada ${i}` }, `bob ${i}`),
        rename(shards, { id: bob, name: `bob ${i}` }, `ada ${i}`),
      ]);
      for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: taken });
    }
  });

  it('leaves nothing dangling when one owner is renamed by many at once', async () => {
    const id = await register(shards, 'first');
    const outcomes = await Promise.allSettled(
      Array.from({ length: 12 }, (_, i) => rename(shards, { id, name: 'first' }, `name ${i % 4}`)),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('releases what the row carried when it was written, even if that was given up and taken again meanwhile', async () => {
    const id = await register(shards, 'ada');
    const other = await cluster.another();
    shards.directory.onStep = async (step) => {
      if (step !== 'reserved') return;
      await rename(other, { id, name: 'ada' }, 'lovelace');
      await rename(other, { id, name: 'lovelace' }, 'ada');
    };
    await rename(shards, { id, name: 'ada' }, 'countess');
    shards.directory.onStep = undefined;
    await register(shards, 'ada');
    await other.close();
  });

  it('releases what was loaded straight into it under its owner’s id', async () => {
    const id = newId(9);
    await shards.transaction(id, async (tx) => tx.send(insertThing(id, 'loaded')));
    await shards.transaction(natural('loaded'), (tx) =>
      tx.execute({
        text: `INSERT INTO rookery_directory (kind, value, owner, operation, state, lease_until)
               VALUES ($1, 'loaded', $2, $2, 'active', now())`,
        values: [KIND, id],
      }),
    );
    await expect(register(shards, 'loaded')).rejects.toMatchObject(taken);
    await rename(shards, { id, name: 'loaded' }, 'own');
    await register(shards, 'loaded');
  });

  it('finds owners through its hints, also after another replica has renamed them', async () => {
    const other = await cluster.another();
    let reads = 0;
    const find = (name: string) =>
      shards.directory.find(KIND, name, async (owner) => {
        reads += 1;
        const [row] = await shards.query<{ name: string }>(owner, thingById(owner));
        return row?.name === name ? owner : undefined;
      });
    const ada = await register(shards, 'ada');
    expect(await find('ada')).toBe(ada);
    await rename(other, { id: ada, name: 'ada' }, 'lovelace');
    expect(await find('ada')).toBeUndefined();
    const bob = await register(other, 'ada');
    expect(await find('ada')).toBe(bob);
    expect(await find('lovelace')).toBe(ada);
    reads = 0;
    expect(await find('ada')).toBe(bob);
    expect(await find('nobody')).toBeUndefined();
    expect(reads).toBe(1);
    await other.close();
  });

  describe('its sweeper', () => {
    const abandon = async (name: string, owner = newId(9)) => {
      await shards.transaction(natural(name), (tx) =>
        tx.execute({
          text: `INSERT INTO rookery_directory (kind, value, owner, operation, state, lease_until)
                 VALUES ($1, $2, $3, $4, 'reserved', now() - interval '1 second')`,
          values: [KIND, name, owner, newId(9)],
        }),
      );
    };

    it('frees what nobody wrote, more than one batch of it', async () => {
      await Promise.all(Array.from({ length: 250 }, (_, i) => abandon(`name ${i}`)));
      await abandon('');
      expect(await shards.directory.sweep()).toBeGreaterThanOrEqual(250);
      expect(await shards.directory.sweep()).toBe(0);
    });

    it('goes on past what it cannot decide while an owner’s shard is away', async () => {
      // It has a way of its own, so that the others do not lose theirs.
      const link = await FaultyLink.to(cluster.urls[1]!);
      const replica = await cluster.another({
        shards: [{ url: cluster.urls[0]! }, { url: link.url }],
        pollMs: 50,
      });
      const onFirstShard = Array.from({ length: 50 }, (_, i) => `name ${100 + i}`).filter(
        (name) => slotOfNaturalKey(name) < 2_048,
      );
      const [waits, swept] = [onFirstShard[0]!, onFirstShard[1]!];
      await abandon(waits, newId(4_000));
      await abandon(swept, newId(9));
      link.refuse();
      while (replica.status()[1]!.state === 'up') await pause(5);
      await expect(replica.directory.sweep()).rejects.toMatchObject({
        code: 'RK_SHARDING_SHARD_UNAVAILABLE',
      });
      const onFirst = await clients[0]!.query<{ value: string }>('SELECT value FROM rookery_directory');
      expect(onFirst.rows).toEqual([{ value: waits }]);
      link.accept();
      while (replica.status()[1]!.state === 'down') await pause(5);
      await replica.directory.sweep();
      await replica.close();
      await link.close();
    });

    it('forgets claims after a day, but not those of a slot that is closed', async () => {
      for (const slot of [9, 10]) {
        await shards.transaction(newId(slot), (tx) =>
          tx.execute({
            text: `INSERT INTO rookery_claim (operation, owner, outcome, made_at)
                   VALUES ($1, $2, 'aborted', now() - interval '25 hours')`,
            values: [newId(slot), newId(slot)],
          }),
        );
      }
      await clients[0]!.query(`UPDATE rookery_slot SET state = 'closed' WHERE slot = 10`);
      await shards.directory.sweep();
      const { rows } = await clients[0]!.query('SELECT shard_slot FROM rookery_claim');
      expect(rows).toEqual([{ shard_slot: 10 }]);
      await clients[0]!.query(`UPDATE rookery_slot SET state = 'open' WHERE slot = 10`);
    });

    it('runs by itself once started, and is waited for in close', async () => {
      await abandon('swept');
      const replica = await cluster.another();
      replica.directory.startSweeper();
      while ((await shards.directory.lookUp(KIND, 'swept')) !== undefined) await pause(5);
      await replica.close();
    });
  });
});

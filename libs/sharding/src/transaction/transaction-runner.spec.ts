import { testDatabases } from '@rookery/devstack/testing';
import { Deadline, newId } from '@rookery/kernel';
import type { Shards } from '../shards.js';
import { FaultyLink } from '../testing/faulty-link.js';
import { testShards, type TestShards } from '../testing/test-shards.js';
import { STEADY } from '../testing/time.js';
import { insertThing, renameThing, Thing, thingById, things } from '../testing/thing.js';
import type { ShardTransaction } from './shard-transaction.js';

/** Far from what it takes, and below the deadline that there would be without the one that was given. */
const SOON_MS = 10_000;

describe('a transaction', () => {
  let cluster: TestShards;
  let shards: Shards;
  const nameOf = async (id: string) =>
    (await cluster.shards.query<{ name: string }>(id, thingById(id)))[0]?.name;

  beforeAll(async () => {
    cluster = await testShards({
      databases: testDatabases,
      migrations: [things],
      entities: [Thing],
      ...STEADY,
    });
    shards = cluster.shards;
  }, 60_000);
  afterAll(() => cluster.close());

  it('commits what was sent on it, on the shard of its slot', async () => {
    for (const [slot, shard] of [
      [7, 's1'],
      [4_000, 's2'],
    ] as const) {
      const id = newId(slot);
      const on = await shards.transaction(id, async (tx) => {
        tx.send(insertThing(id, 'ada'));
        return tx.shard;
      });
      expect(on).toBe(shard);
      expect(await nameOf(id)).toBe('ada');
    }
  });

  it('gives what its work throws as it is, writes nothing, and keeps the connection', async () => {
    const id = newId(7);
    const boom = new Error('boom');
    await expect(
      shards.transaction(id, async (tx) => {
        await tx.execute(insertThing(id, 'ada'));
        throw boom;
      }),
    ).rejects.toBe(boom);
    await expect(
      shards.transaction(id, () => {
        throw boom;
      }),
    ).rejects.toBe(boom);
    expect(await nameOf(id)).toBeUndefined();
    expect(shards.status()[0]!.pool).toMatchObject({ open: 1, idle: 1 });
  });

  describe('is never acknowledged unless it was committed', () => {
    it('when a statement failed that nobody looked at', async () => {
      const id = newId(7);
      await expect(
        shards.transaction(id, async (tx) => {
          tx.send(insertThing(id, 'ada'));
          tx.send({ text: 'SELECT 1 / 0' });
        }),
      ).rejects.toMatchObject({ code: '22012' });
      expect(await nameOf(id)).toBeUndefined();
    });

    it('when a statement failed and its failure was swallowed', async () => {
      const id = newId(7);
      await expect(
        shards.transaction(id, async (tx) => {
          await tx.execute(insertThing(id, 'ada'));
          await tx.query({ text: 'SELECT 1 / 0' }).catch(() => undefined);
        }),
      ).rejects.toMatchObject({ code: '22012' });
      expect(await nameOf(id)).toBeUndefined();
    });

    it('when a statement could not even be sent', async () => {
      const id = newId(7);
      const circular: Record<string, unknown> = {};
      circular.self = circular;
      await expect(
        shards.transaction(id, async (tx) => {
          tx.send(insertThing(id, 'ada'));
          tx.send({ name: 'spec.circular', text: 'SELECT $1::jsonb', values: [circular] });
        }),
      ).rejects.toThrow('circular');
      expect(await nameOf(id)).toBeUndefined();
      await expect(
        shards.transaction(id, async (tx) => {
          tx.send(insertThing(id, 'ada'));
          tx.send({ name: 'thing.insert', text: 'SELECT 1' });
        }),
      ).rejects.toThrow('must be unique');
      expect(await nameOf(id)).toBeUndefined();
    });

    it('when COMMIT itself fails, and the connection is kept', async () => {
      const client = await cluster.client(0);
      await client.query(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.name = 'refused' THEN RAISE EXCEPTION 'no' USING ERRCODE = '23514'; END IF; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON thing DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION refuse()`);
      const id = newId(7);
      await expect(
        shards.transaction(id, async (tx) => tx.send(insertThing(id, 'refused'))),
      ).rejects.toMatchObject({ code: '23514' });
      expect(await nameOf(id)).toBeUndefined();
      expect(shards.status()[0]!.pool).toMatchObject({ open: 1, idle: 1 });
    });

    it('when the server rolls it back without an error that the library saw', async () => {
      // BEGIN is answered from here on, but something behind the library's back has failed the transaction.
      const id = newId(7);
      await expect(
        shards.transaction(id, async (tx) => {
          tx.send(insertThing(id, 'ada'));
          tx.backAtSavepoint(undefined);
          await tx.execute({ text: 'SELECT 1 / 0' }).catch(() => tx.backAtSavepoint(undefined));
        }),
      ).rejects.toMatchObject({ code: 'RK_SHARDING_ROLLED_BACK' });
      expect(await nameOf(id)).toBeUndefined();
    });
  });

  it('takes nothing more once it has ended', async () => {
    const id = newId(7);
    let kept: ShardTransaction | undefined;
    await shards.transaction(id, async (tx) => {
      kept = tx;
    });
    await expect(kept!.execute(insertThing(id, 'late'))).rejects.toMatchObject({
      code: 'RK_SHARDING_TRANSACTION_OVER',
    });
    kept!.send(insertThing(id, 'late'));
    await expect(kept!.manager()).rejects.toMatchObject({ code: 'RK_SHARDING_TRANSACTION_OVER' });
    expect(await nameOf(id)).toBeUndefined();
  });

  it('is joined by another one on its slot, and refuses every other slot and shard', async () => {
    const id = newId(7);
    const sibling = newId(7);
    await shards.transaction(id, async (tx) => {
      await shards.transaction(sibling, async (inner) => {
        expect(inner).toBe(tx);
        inner.send(insertThing(sibling, 'sibling'));
      });
      const elsewhere = (key: string) => shards.transaction(key, () => Promise.resolve());
      await expect(elsewhere(newId(8))).rejects.toMatchObject({ code: 'RK_SHARDING_FOREIGN_SLOT' });
      await expect(elsewhere(newId(4_000))).rejects.toMatchObject({ code: 'RK_SHARDING_CROSS_SHARD' });
      await expect(shards.query(newId(4_000), thingById(id))).rejects.toMatchObject({
        code: 'RK_SHARDING_CROSS_SHARD',
      });
      await expect(shards.scatter({ text: 'SELECT 1' })).rejects.toMatchObject({
        code: 'RK_SHARDING_CROSS_SHARD',
      });
      expect(() => tx.mustHold(newId(8))).toThrow(
        expect.objectContaining({ code: 'RK_SHARDING_FOREIGN_SLOT' }),
      );
      tx.mustHold(sibling);
    });
    expect(await nameOf(sibling)).toBe('sibling');
  });

  it('runs what was to come before and after COMMIT there, and nothing after a failure', async () => {
    const id = newId(7);
    const order: string[] = [];
    await shards.transaction(id, async (tx) => {
      tx.beforeCommit(() => {
        order.push('before');
        tx.send(insertThing(id, 'from the hook'));
      });
      tx.afterCommit(() => order.push('after'));
      order.push('work');
    });
    expect(order).toEqual(['work', 'before', 'after']);
    expect(await nameOf(id)).toBe('from the hook');
    await shards
      .transaction(id, async (tx) => {
        tx.afterCommit(() => order.push('never'));
        tx.send({ text: 'SELECT 1 / 0' });
      })
      .catch(() => order.push('failed'));
    expect(order.slice(3)).toEqual(['failed']);
  });

  describe('is run again', () => {
    it('after a deadlock, until both have committed', async () => {
      const [a, b] = [newId(7), newId(7)];
      await shards.transaction(a, async (tx) => {
        tx.send(insertThing(a, ''));
        tx.send(insertThing(b, ''));
      });
      let runs = 0;
      let met = 0;
      let meet: () => void = () => undefined;
      const both = new Promise<void>((resolve) => (meet = resolve));
      const append = (first: string, second: string, letter: string) =>
        shards.transaction(
          first,
          async (tx) => {
            runs += 1;
            tx.send({ text: "SET LOCAL deadlock_timeout = '20ms'" });
            const more = (id: string) =>
              tx.execute({ text: 'UPDATE thing SET name = name || $2 WHERE id = $1', values: [id, letter] });
            await more(first);
            met += 1;
            if (met === 2) meet();
            await both;
            await more(second);
          },
          { deadline: Deadline.after(20_000) },
        );
      await Promise.all([append(a, b, 'x'), append(b, a, 'y')]);
      expect([...(await nameOf(a))!].sort()).toEqual(['x', 'y']);
      expect([...(await nameOf(b))!].sort()).toEqual(['x', 'y']);
      expect(runs).toBeGreaterThan(2);
    });

    it('after a serialization failure, so that no update is lost', async () => {
      const id = newId(7);
      await shards.transaction(id, async (tx) => tx.send(insertThing(id, '0')));
      const increment = () =>
        shards.transaction(
          id,
          async (tx) => {
            const [row] = await tx.query<{ name: string }>(thingById(id));
            tx.send(renameThing(id, String(Number(row!.name) + 1)));
          },
          { isolation: 'repeatable read' },
        );
      await Promise.all(Array.from({ length: 3 }, increment));
      expect(await nameOf(id)).toBe('3');
    });

    it('five times at most', async () => {
      let runs = 0;
      await expect(
        shards.transaction(newId(7), async (tx) => {
          runs += 1;
          tx.send({ text: `DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$` });
        }),
      ).rejects.toMatchObject({ code: 'RK_SHARDING_CONTENTION', retryAfterSeconds: 1 });
      expect(runs).toBe(5);
    });
  });
});

describe('a transaction over a faulty link', () => {
  let cluster: TestShards;
  let link: FaultyLink;
  const nameOf = async (id: string) => {
    const { rows } = await (
      await client()
    ).query<{ name: string }>('SELECT name FROM thing WHERE id = $1', [id]);
    return rows[0]?.name;
  };
  let direct: Awaited<ReturnType<TestShards['client']>> | undefined;
  const client = async () => (direct ??= await cluster.client());

  beforeAll(async () => {
    cluster = await testShards({
      databases: testDatabases,
      count: 1,
      migrations: [things],
      entities: [Thing],
      through: async (url) => {
        link = await FaultyLink.to(url);
        return link.url;
      },
      // Nobody looks at the shard meanwhile, so that every packet is the transaction's.
      ...STEADY,
    });
    await cluster.shards.transaction(newId(1), (tx) => tx.execute(thingById(newId(1))));
  }, 60_000);
  afterEach(() => {
    link.inspect(undefined);
    link.inspectAnswers(undefined);
    link.thaw();
  });
  afterAll(async () => {
    await cluster.close();
    await link.close();
  });

  /** The shard may have been found away while its link was frozen. */
  const untilServed = async () => {
    for (;;) {
      const failure = await cluster.shards
        .transaction(newId(1), (tx) => tx.query({ text: 'SELECT 1' }))
        .then(
          () => undefined,
          (error: unknown) => error,
        );
      if (failure === undefined) return;
      expect(failure).toMatchObject({ code: 'RK_SHARDING_SHARD_UNAVAILABLE' });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };

  const flightsOf = async (work: (tx: ShardTransaction) => Promise<unknown>) => {
    const run = () => cluster.shards.transaction(newId(1), work);
    // The first time, statements are prepared too; that costs no flight, but let it be like all others.
    await run();
    link.resetFlights();
    await run();
    return link.flights;
  };

  it('takes one round trip when nothing is awaited, one more for each answer that is, three for read and write', async () => {
    expect(await flightsOf(async (tx) => tx.send(insertThing(newId(1), 'a')))).toBe(1);
    expect(await flightsOf((tx) => tx.execute(insertThing(newId(1), 'a')))).toBe(2);
    expect(await flightsOf((tx) => tx.insert(Thing, { id: newId(1), name: 'a' }))).toBe(2);
    expect(
      await flightsOf(async (tx) => {
        await tx.query(thingById(newId(1)));
        tx.send(insertThing(newId(1), 'a'));
        tx.send(insertThing(newId(1), 'b'));
        await tx.execute(insertThing(newId(1), 'c'));
      }),
    ).toBe(3);
  });

  it('says that the outcome is unknown when the connection is cut while COMMIT is under way', async () => {
    for (const reaches of [true, false]) {
      const id = newId(1);
      let runs = 0;
      const outcome = cluster.shards.transaction(id, async (tx) => {
        runs += 1;
        await tx.execute(insertThing(id, 'ada'));
        if (reaches) {
          link.inspectAnswers(() => {
            link.cut('rookery');
            return 'swallow';
          });
        } else {
          link.inspect((data) => {
            if (!data.includes('COMMIT')) return 'pass';
            link.cut('rookery');
            return 'swallow';
          });
        }
      });
      await expect(outcome).rejects.toMatchObject({ code: 'RK_SHARDING_COMMIT_UNKNOWN', retryable: false });
      link.inspect(undefined);
      link.inspectAnswers(undefined);
      expect(runs).toBe(1);
      expect(await nameOf(id)).toBe(reaches ? 'ada' : undefined);
    }
  });

  it('is run again once when the connection is cut before COMMIT was sent, and is then written once', async () => {
    const id = newId(1);
    let runs = 0;
    await cluster.shards.transaction(id, async (tx) => {
      runs += 1;
      await tx.execute(insertThing(id, `run ${runs}`));
      if (runs === 1) link.cut('rookery');
      await tx.query(thingById(id));
    });
    expect(runs).toBe(2);
    expect(await nameOf(id)).toBe('run 2');
  });

  it('writes nothing and says so when the connection is cut before COMMIT each time', async () => {
    const id = newId(1);
    await expect(
      cluster.shards.transaction(id, async (tx) => {
        await tx.execute(insertThing(id, 'ada'));
        link.cut('rookery');
        await tx.query(thingById(id));
      }),
    ).rejects.toMatchObject({ code: 'RK_SHARDING_CONNECTION_LOST', status: 503, retryAfterSeconds: 1 });
    expect(await nameOf(id)).toBeUndefined();
  });

  it('survives its backend being ended by an administrator, mid-transaction', async () => {
    const id = newId(1);
    let runs = 0;
    await cluster.shards.transaction(id, async (tx) => {
      runs += 1;
      const [row] = await tx.query<{ pid: number }>({ text: 'SELECT pg_backend_pid() AS pid' });
      if (runs === 1) await (await client()).query('SELECT pg_terminate_backend($1, 5000)', [row!.pid]);
      await tx.execute(insertThing(id, 'ada'));
    });
    expect(runs).toBe(2);
    expect(await nameOf(id)).toBe('ada');
  });

  it('ends within its deadline when the server freezes, before COMMIT and during it', async () => {
    const id = newId(1);
    const frozen = async (work: (tx: ShardTransaction) => Promise<unknown>) => {
      // A connection is open from here on, so that the work begins at once.
      await untilServed();
      const since = performance.now();
      const failure = await cluster.shards
        .transaction(id, work, { deadline: Deadline.after(150) })
        .catch((error: unknown) => error);
      expect(performance.now() - since).toBeLessThan(SOON_MS);
      link.inspect(undefined);
      link.cut();
      link.thaw();
      await untilServed();
      return failure;
    };
    const before = await frozen(async (tx) => {
      link.freeze();
      await tx.execute(insertThing(id, 'ada'));
    });
    expect(before).toMatchObject({ code: 'RK_KERNEL_DEADLINE_EXCEEDED' });
    const during = await frozen(async (tx) => {
      tx.send(insertThing(id, 'ada'));
      link.inspect((data) => {
        if (data.includes('COMMIT')) link.freeze();
        return 'pass';
      });
    });
    expect(during).toMatchObject({ code: 'RK_SHARDING_COMMIT_UNKNOWN' });
  });

  it('ends within its deadline when its work hangs on something else, and gives the connection back', async () => {
    await untilServed();
    const since = performance.now();
    let hung: ShardTransaction | undefined;
    await expect(
      cluster.shards.transaction(
        newId(1),
        (tx) => {
          hung = tx;
          return new Promise(() => undefined);
        },
        { deadline: Deadline.after(100) },
      ),
    ).rejects.toMatchObject({ code: 'RK_KERNEL_DEADLINE_EXCEEDED' });
    expect(performance.now() - since).toBeLessThan(SOON_MS);
    expect(hung!.ended).toBe(true);
    const { open, idle } = cluster.shards.status()[0]!.pool;
    expect(open - idle).toBe(0);
  });
});

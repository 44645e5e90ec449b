import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type pg from 'pg';
import { Deadline, newId } from '@rookery/kernel';
import { testDatabases } from '@rookery/devstack/testing';
import {
  defineMigration,
  Global,
  Sharded,
  type GlobalTable,
  type GlobalTransaction,
  type Shards,
} from '@rookery/sharding';
import { FaultyLink, testShards, type TestShards } from '@rookery/sharding/testing';
import { endSoon, STEADY } from '../testing/time.js';
import { Column, Entity, PrimaryColumn } from 'typeorm';

@Global()
@Entity('country')
class Country {
  @PrimaryColumn('text') code!: string;
  @Column('text') name!: string;
  @Column('timestamptz', { default: () => 'now()' }) since!: Date;
  @Column('numeric', { default: 0 }) rate!: string;
}

@Global()
@Entity('currency')
class Currency {
  @PrimaryColumn('text') code!: string;
}

@Sharded({ key: 'id' })
@Entity('town')
class Town {
  @PrimaryColumn('uuid') id!: string;
  @Column('text') country!: string;
}

const migration = defineMigration({
  id: 'country',
  up: `CREATE TABLE country (code text PRIMARY KEY, name text UNIQUE NOT NULL, since timestamptz NOT NULL DEFAULT now(),
      rate numeric NOT NULL DEFAULT 0, ratio double precision, notes text[], doc json, raw bytea, span interval,
      stamp timestamp, size int GENERATED ALWAYS AS (length(name)) STORED, number int GENERATED ALWAYS AS IDENTITY);
    INSERT INTO country (code, name, since) VALUES ('at', 'Austria', 'epoch');
    SELECT rookery_global_table('country');
    CREATE TABLE currency (code text PRIMARY KEY); SELECT rookery_global_table('currency');
    CREATE TABLE town (id uuid PRIMARY KEY, country text NOT NULL REFERENCES country ON UPDATE RESTRICT);
    SELECT rookery_shard_table('town', 'rookery_slot_of(id)', 'id')`,
});

let all: TestShards;
let shards: Shards;
let countries: GlobalTable<typeof Country>;
let link: FaultyLink;
let databases: pg.Client[];
const warnings: string[] = [];

beforeAll(async () => {
  all = await testShards({
    databases: testDatabases,
    count: 3,
    entities: [Country, Currency, Town],
    migrations: [migration],
    pollMs: 50,
    connectTimeoutMs: STEADY.connectTimeoutMs,
    defaultDeadlineMs: STEADY.defaultDeadlineMs,
    onWarning: (message) => warnings.push(message),
    through: async (url, position) => {
      if (position !== 2) return url;
      link = await FaultyLink.to(url);
      return link.url;
    },
  });
  databases = await Promise.all([0, 1, 2].map((i) => all.client(i)));
  // One shard writes its values in another style than the others.
  const { rows } = await databases[1]!.query<{ name: string }>('SELECT current_database() AS name');
  for (const setting of [
    "TimeZone = 'Asia/Kolkata'",
    "IntervalStyle = 'iso_8601'",
    "bytea_output = 'escape'",
    "DateStyle = 'ISO, DMY'",
  ]) {
    await databases[1]!.query(`ALTER DATABASE "${rows[0]!.name}" SET ${setting}`);
  }
  shards = await all.another();
  countries = shards.global(Country);
}, 60_000);
afterAll(async () => {
  await all.close();
  await link.close();
});
beforeEach(() => {
  warnings.length = 0;
});
afterEach(() => {
  shards.globals.copies.onStep = undefined;
});

const put = (tx: GlobalTransaction, code: string, name: string): void => {
  tx.send({
    text: `INSERT INTO country (code, name) VALUES ($1, $2) ON CONFLICT (code) DO UPDATE SET name = excluded.name`,
    values: [code, name],
  });
};
const write = (code: string, name: string): ReturnType<typeof countries.write> =>
  countries.write((tx) => Promise.resolve(put(tx, code, name)));
const nameAt = async (position: number, code: string): Promise<string | undefined> => {
  const { rows } = await databases[position]!.query<{ name: string }>(
    'SELECT name FROM country WHERE code = $1',
    [code],
  );
  return rows[0]?.name;
};
const states = async (): Promise<string[]> => (await countries.verify()).copies.map(({ state }) => state);
/** Resolves once `look` gives true; the library says nothing when its background work is done. */
async function until(look: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
  const deadline = Deadline.after(ms);
  for (;;) {
    // Asked before the look: what is there by then came in time, however long the look takes.
    const { passed } = deadline;
    if (await look()) return;
    if (passed) deadline.check('waiting for the condition of a test');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('a write of reference data', () => {
  it('is in every copy when it is acknowledged with nobody behind', async () => {
    const { behind, version, value } = await countries.write(async (tx) => {
      await tx.insert(Country, { code: 'de', name: 'Germany', rate: '0.10' });
      return (await tx.query<{ name: string }>({ text: `SELECT name FROM country WHERE code = 'de'` }))[0]!
        .name;
    });
    expect({ behind, value }).toEqual({ behind: [], value: 'Germany' });
    expect(await Promise.all([0, 1, 2].map((i) => nameAt(i, 'de')))).toEqual([
      'Germany',
      'Germany',
      'Germany',
    ]);
    expect(await countries.verify()).toMatchObject({
      same: true,
      home: 's1',
      copies: [
        { shard: 's1', version },
        { version, rows: 2 },
        { version, state: 'same' },
      ],
    });
  });

  it('carries every value exactly, whatever each shard would write it as', async () => {
    await countries.write(async (tx) => {
      await tx.query({
        text: `INSERT INTO country (code, name, since, rate, ratio, notes, doc, raw, span, stamp) VALUES
          ('xx', E'a,"b"\\\\ (c)\\n', '2026-02-03 04:05:06.000007+00', 1.500, 0.1::float8 + 0.2, '[0:1]={"a,b",NULL}',
           '{"a":  1, "a": 2}', '\\x00ff', '1 mon -2 days 03:04:05.000006', '2026-02-03 04:05:06.000007'),
          ('', '', 'infinity', 'NaN', '-Infinity', '{}', NULL, '', '0', '-infinity')`,
      });
    });
    expect(await states()).toEqual(['same', 'same', 'same']);
    const rows = await Promise.all(
      databases.map(async (client) => {
        await client.query(`SET TimeZone = 'UTC'; SET IntervalStyle = 'postgres'; SET bytea_output = 'hex'`);
        await client.query(`SET DateStyle = 'ISO, YMD'`);
        const { rows: found } = await client.query('SELECT c::text FROM country c ORDER BY code');
        return found as unknown[];
      }),
    );
    expect(rows[1]).toEqual(rows[0]);
    expect(rows[2]).toEqual(rows[0]);
    await countries.write((tx) => tx.execute({ text: `DELETE FROM country WHERE code IN ('xx', '')` }));
    expect(await nameAt(1, 'xx')).toBeUndefined();
    expect(await states()).toEqual(['same', 'same', 'same']);
  });

  it('swaps unique values between rows', async () => {
    await countries.write((tx) => Promise.resolve([put(tx, 'fr', 'France'), put(tx, 'it', 'Italy')]));
    await countries.write((tx) => {
      tx.send({ text: `DELETE FROM country WHERE code = 'it'` });
      return Promise.resolve(put(tx, 'it', 'Italia'));
    });
    expect(await states()).toEqual(['same', 'same', 'same']);
    await countries.write((tx) => {
      for (const [code, name] of [
        ['fr', 'x'],
        ['it', 'France'],
        ['fr', 'Italy'],
      ] as const)
        put(tx, code, name);
      return Promise.resolve();
    });
    expect([await nameAt(1, 'fr'), await nameAt(2, 'it')]).toEqual(['Italy', 'France']);
    expect(await states()).toEqual(['same', 'same', 'same']);
  });

  it('leaves rows of sharded tables that refer to it in place', async () => {
    const id = newId(2_000);
    await shards.transaction(id, (tx) => tx.insert(Town, { id, country: 'at' }));
    expect((await write('at', 'Österreich')).behind).toEqual([]);
    expect(await shards.query(id, { text: 'SELECT name FROM town JOIN country ON code = country' })).toEqual([
      { name: 'Österreich' },
    ]);
  });

  it('changes nothing, anywhere, when its work fails', async () => {
    const before = (await countries.verify()).copies;
    const failed = countries.write(async (tx) => {
      await tx.query({ text: 'DELETE FROM country' }).catch(() => undefined);
      throw new Error('no');
    });
    await expect(failed).rejects.toThrow('no');
    expect((await countries.verify()).copies).toEqual(before);
  });

  it('comes back with the shards that are behind, when the deadline leaves no time for copies', async () => {
    link.freeze();
    const deadline = Deadline.after(60_000);
    // The time is up once the other copy is made.
    shards.globals.copies.onStep = (step) => {
      if (step === 'applied') endSoon(deadline);
    };
    const { behind } = await countries.write((tx) => Promise.resolve(put(tx, 'es', 'Spain')), { deadline });
    link.thaw();
    shards.globals.copies.onStep = undefined;
    expect(behind).toEqual(['s3']);
    await until(() => shards.status()[2]!.state === 'up');
    await shards.globals.catchUp();
    expect(await states()).toEqual(['same', 'same', 'same']);
  });
});

describe('concurrent writers', () => {
  it('take turns, and every copy ends as the home', async () => {
    await countries.write((tx) => tx.insert(Country, { code: 'n', name: 'count', rate: '0' }));
    const replicas = [shards, await all.another(), await all.another()];
    const written = await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        replicas[i % 3]!.global(Country).write(async (tx) => {
          const [row] = await tx.query<{ rate: string }>({
            text: `SELECT rate FROM country WHERE code = 'n'`,
          });
          // Read, then written: without turns, writes would be lost.
          await tx.query({
            text: `UPDATE country SET rate = $1 WHERE code = 'n'`,
            values: [Number(row!.rate) + 1],
          });
        }),
      ),
    );
    expect(written.flatMap(({ behind }) => behind)).toEqual([]);
    expect(new Set(written.map(({ version }) => version)).size).toBe(30);
    expect(await states()).toEqual(['same', 'same', 'same']);
    for (const client of databases) {
      expect((await client.query(`SELECT rate FROM country WHERE code = 'n'`)).rows).toEqual([
        { rate: '30' },
      ]);
    }
  });

  it('never let an older version over a newer one', async () => {
    const slow = await all.another();
    await write('ov', 'before');
    let overtaken: (() => void) | undefined;
    const newer = new Promise<void>((resolve) => (overtaken = resolve));
    let hasRead: (() => void) | undefined;
    const read = new Promise<void>((resolve) => (hasRead = resolve));
    slow.globals.copies.onStep = async (step) => {
      if (step !== 'read') return;
      hasRead!();
      await newer;
    };
    const old = slow.global(Country).write((tx) => Promise.resolve(put(tx, 'ov', 'old')));
    await read;
    await write('ov', 'new');
    overtaken!();
    expect((await old).behind).toEqual([]);
    expect(await Promise.all([0, 1, 2].map((i) => nameAt(i, 'ov')))).toEqual(['new', 'new', 'new']);
    expect(await states()).toEqual(['same', 'same', 'same']);
  });
});

describe('copies', () => {
  it.each(['written', 'read', 'applied'] as const)(
    'are finished by another replica when the writer dies after %s',
    async (death) => {
      const other = await all.another();
      shards.globals.copies.onStep = (step) => {
        if (step === death) throw new Error('died');
      };
      const { version, behind } = await write('dd', `died after ${death}`);
      expect(behind).toEqual(['s2', 's3']);
      await other.globals.catchUp();
      expect(await Promise.all([0, 1, 2].map((i) => nameAt(i, 'dd')))).toEqual(
        Array.from({ length: 3 }, () => `died after ${death}`),
      );
      expect((await countries.verify()).copies).toMatchObject([{ version }, { version }, { version }]);
    },
  );

  it('are caught up with by themselves when a shard comes back', async () => {
    shards.globals.start();
    link.refuse();
    await until(() => shards.status()[2]!.state === 'down');
    expect((await write('pl', 'Poland')).behind).toEqual(['s3']);
    expect(await nameAt(1, 'pl')).toBe('Poland');
    expect(await countries.verify()).toMatchObject({ same: false, copies: [{}, {}, { state: 'away' }] });
    link.accept();
    // Sooner than the loop would come round by itself.
    await until(async () => (await nameAt(2, 'pl')) === 'Poland', 4_000);
    expect(await states()).toEqual(['same', 'same', 'same']);
  });

  it('that were tampered with are found by verify and mended by republish', async () => {
    await databases[1]!.query(
      `SET rookery.global = '*'; UPDATE country SET rate = rate + 1 WHERE code = 'at'`,
    );
    await databases[2]!.query(
      `SET rookery.global = '*'; INSERT INTO country (code, name) VALUES ('zz', 'nowhere')`,
    );
    await databases[2]!.query(`UPDATE rookery_global SET version = version + 10`);
    for (const client of databases) await client.query('RESET rookery.global');
    expect(await states()).toEqual(['same', 'differs', 'ahead']);
    await shards.globals.catchUp();
    expect(warnings.filter((message) => /newer than its home/.test(message))).toHaveLength(1);
    expect((await countries.republish()).behind).toEqual([]);
    expect(await states()).toEqual(['same', 'same', 'same']);
    expect((await shards.globals.verify()).map(({ table, same }) => [table, same])).toEqual([
      ['country', true],
      ['currency', true],
    ]);
  });

  it('end as the home after any writes, deaths and catching up', async () => {
    const codes = fc.constantFrom('p1', 'p2', 'p3');
    const action = fc.oneof(
      fc.record({ put: codes, name: fc.string({ unit: 'binary' }).map((s) => s.replaceAll('\u0000', '')) }),
      fc.record({ drop: codes }),
      fc.record({ dieAt: fc.constantFrom('written', 'read', 'applied', undefined) }),
      fc.constant('catch up' as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 12 }), async (actions) => {
        for (const act of actions) {
          if (act === 'catch up') await shards.globals.catchUp();
          else if ('put' in act) await write(act.put, `${act.put} ${act.name}`);
          else if ('drop' in act)
            await countries.write((tx) =>
              tx.execute({ text: 'DELETE FROM country WHERE code = $1', values: [act.drop] }),
            );
          else
            shards.globals.copies.onStep = (step) => {
              if (step === act.dieAt) throw new Error('died');
            };
        }
        shards.globals.copies.onStep = undefined;
        await shards.globals.catchUp();
        expect(await states()).toEqual(['same', 'same', 'same']);
      }),
      { numRuns: 15 },
    );
  }, 120_000);
});

describe('reference data is read', () => {
  it('on the shard of a key, and joined there', async () => {
    const id = newId(4_000);
    const repository = await countries.repository(id);
    expect(await repository.findOneByOrFail({ code: 'at' })).toBeInstanceOf(Country);
    expect(await countries.query({ text: 'SELECT count(*)::int AS n FROM country' }, id)).toEqual(
      await countries.query({ text: 'SELECT count(*)::int AS n FROM country' }),
    );
  });

  it('from another shard when the home is away', async () => {
    const homeless = await all.another({
      shards: all.options.shards.map(({ url }, i) => ({
        url: i === 0 ? 'postgres://postgres@127.0.0.1:1/x' : url,
      })),
    });
    const table = homeless.global(Country);
    expect(await table.query({ text: `SELECT code FROM country WHERE code = 'at'` })).toEqual([
      { code: 'at' },
    ]);
    expect(await (await table.repository()).countBy({ code: 'at' })).toBe(1);
    await expect(table.write(() => Promise.resolve())).rejects.toMatchObject({
      code: 'RK_SHARDING_SHARD_UNAVAILABLE',
    });
    await expect(table.verify()).rejects.toMatchObject({ code: 'RK_SHARDING_SHARD_UNAVAILABLE' });
  });
});

describe('reference data is written by its own write only', () => {
  const refused = { code: 'RK_SHARDING_GLOBAL_WRITE' };

  it('not in a transaction on a slot', async () => {
    const id = newId(1);
    const work = shards.transaction(id, (tx) => tx.insert(Country, { code: 'q', name: 'q' }));
    await expect(work).rejects.toMatchObject(refused);
  });

  it('not by a repository', async () => {
    const repository = await countries.repository();
    await expect(repository.insert({ code: 'q', name: 'q' })).rejects.toMatchObject({
      code: 'RK_SHARDING_WRITE_OUTSIDE_TRANSACTION',
    });
  });

  it('not by hand', async () => {
    await expect(databases[0]!.query('TRUNCATE currency')).rejects.toMatchObject({ code: 'RK004' });
  });

  it('not by the write of another table, which may touch no sharded row either', async () => {
    await expect(countries.write((tx) => tx.insert(Currency, { code: 'EUR' }))).rejects.toMatchObject(
      refused,
    );
    const id = newId(1);
    await expect(countries.write((tx) => tx.insert(Town, { id, country: 'at' }))).rejects.toMatchObject({
      code: 'RK_SHARDING_FOREIGN_SLOT',
    });
  });

  it('not inside a transaction, and no transaction inside it', async () => {
    const id = newId(1);
    await expect(shards.transaction(id, () => write('q', 'q'))).rejects.toMatchObject({
      code: 'RK_SHARDING_CROSS_SHARD',
    });
    const nested = countries.write(() => shards.transaction(id, () => Promise.resolve()));
    await expect(nested).rejects.toMatchObject({ status: 500 });
    expect(await nameAt(0, 'q')).toBeUndefined();
  });

  it('and only an entity that says so is reference data', () => {
    expect(() => shards.global(Town)).toThrow(expect.objectContaining({ code: 'RK_SHARDING_NOT_GLOBAL' }));
  });
});

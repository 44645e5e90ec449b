import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { newId, SLOT_COUNT } from '@rookery/kernel';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { defineMigration, Sharded, type ShardedRepository } from '@rookery/sharding';
import { testDatabases } from '@rookery/devstack/testing';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { STEADY } from '../testing/time.js';

@Sharded({ key: 'id' })
@Entity('sample')
class Sample {
  @PrimaryColumn('uuid') id!: string;
  @Column('bigint') big!: string;
  @Column('int') small!: number;
  @Column('numeric') amount!: string;
  @Column('double precision') ratio!: number;
  @Column('real') rough!: number;
  @Column('text') title!: string;
  @Column('timestamptz', { name: 'made_at' }) madeAt!: Date;
  @Column('timestamp') local!: Date;
  @Column('date') day!: string;
  @Column('boolean') flag!: boolean;
  @Column('uuid') other!: string;
  @Column('text', { nullable: true }) nick!: string | null;
  @Column('bigint', { nullable: true }) score!: string | null;
  @Column('timestamptz', { nullable: true }) seen!: Date | null;
}

// The columns have an order of their own, as most databases do, which this process cannot follow.
const table = `CREATE TABLE sample (id uuid PRIMARY KEY, big bigint NOT NULL, small int NOT NULL, amount numeric NOT NULL,
  ratio double precision NOT NULL, rough real NOT NULL, title text COLLATE "und-x-icu" NOT NULL, made_at timestamptz NOT NULL,
  local timestamp NOT NULL, day date NOT NULL, flag boolean NOT NULL, other uuid NOT NULL, nick text, score bigint,
  seen timestamptz)`;
const migration = defineMigration({
  id: 'sample',
  up: `${table}; SELECT rookery_shard_table('sample', 'rookery_slot_of(id)', 'id')`,
});

/** Column of each property; the direction in which it is generated is drawn. */
const COLUMNS: Readonly<Record<string, string>> = {
  big: 'big',
  small: 'small',
  amount: 'amount',
  ratio: 'ratio',
  rough: 'rough',
  madeAt: 'made_at',
  local: 'local',
  day: 'day',
  flag: 'flag',
  other: 'other',
  score: 'score',
  seen: 'seen',
  id: 'id',
  title: 'title COLLATE "C"',
  nick: 'nick COLLATE "C"',
};

type Row = Readonly<Record<string, string | null>>;

// Few values of each kind, so that many rows are equal in it, and all of them hard to order outside PostgreSQL.
const text = fc
  .array(fc.constantFrom('a', 'B', 'é', '\ud7ff', '\ue000', '\ufffd', '😀', '\u{10ffff}', ' '), {
    maxLength: 3,
  })
  .map((parts) => parts.join(''));
const big = fc.constantFrom(
  '9007199254740993',
  '9007199254740992',
  '-9223372036854775808',
  '9223372036854775807',
  '0',
  '-1',
);
const timestamp = fc.constantFrom(
  '2026-01-01 00:00:00.000001',
  '2026-01-01 00:00:00.000002',
  '2026-01-01 00:00:00.1',
  '2026-01-01 00:00:00',
  '1969-12-31 23:59:59.999999',
  '0044-03-15 12:00:00 BC',
  '0001-01-01 00:00:00',
  '12026-05-05 05:05:05',
  'infinity',
  '-infinity',
  '2026-03-29 01:30:00',
  '2026-10-25 00:30:00',
  '2026-10-25 01:30:00',
);
const rowOf = fc.record({
  slot: fc.nat({ max: SLOT_COUNT - 1 }),
  big,
  small: fc.integer({ min: -2, max: 2 }).map(String),
  amount: fc.constantFrom(
    '1.0',
    '1.00',
    '1',
    '-0.001',
    '0',
    '123456789012345678901234567890.5',
    '-12.5',
    '-9',
    'NaN',
    'Infinity',
    '-Infinity',
  ),
  ratio: fc.constantFrom(
    '0.1',
    '1e300',
    '-1e-300',
    '5e-324',
    '0',
    '-0',
    'NaN',
    'Infinity',
    '-Infinity',
    '0.30000000000000004',
    '0.3',
  ),
  rough: fc.constantFrom('0.1', '0.10000001', '3.4e38', '1e-45', '0', 'NaN', '16777216', '16777217'),
  title: text,
  madeAt: timestamp,
  local: timestamp,
  day: fc.constantFrom('2026-01-01', '2025-12-31', '0044-03-15 BC', '5874897-12-31', 'infinity', '-infinity'),
  flag: fc.boolean().map(String),
  other: fc.constantFrom(
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    'a0000000-0000-0000-0000-00000000000a',
  ),
  nick: fc.option(text),
  score: fc.option(big),
  seen: fc.option(timestamp),
});
const rows = fc
  .array(rowOf, { maxLength: 40 })
  .map((drawn) => drawn.map(({ slot, ...row }): Row => ({ id: newId(slot), ...row })));
const order = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...Object.keys(COLUMNS)), fc.constantFrom('ASC', 'DESC')), {
    selector: ([property]) => property,
    maxLength: 4,
  })
  .chain((terms) =>
    fc.boolean().map((one) => (one ? terms.map(([p]) => [p, terms[0]![1]] as const) : terms)),
  );

let all: TestShards;
let repository: ShardedRepository<typeof Sample>;
/** The three shards, and one database that holds all rows, by which they are judged. */
let databases: pg.Client[];
beforeAll(async () => {
  all = await testShards({
    databases: testDatabases,
    count: 3,
    entities: [Sample],
    migrations: [migration],
    ...STEADY,
  });
  databases = await Promise.all([0, 1, 2, 0].map((i) => all.client(i)));
  for (const client of databases) await client.query(`SET TIME ZONE 'UTC'`);
  await databases[3]!.query(`CREATE SCHEMA judge; SET search_path = judge; ${table}`);
  // Sessions of one shard write their timestamps with offsets, which change twice a year.
  const { rows: found } = await databases[1]!.query<{ name: string }>('SELECT current_database() AS name');
  await databases[1]!.query(`ALTER DATABASE "${found[0]!.name}" SET TimeZone = 'Europe/Berlin'`);
  repository = (await all.another()).repository(Sample);
}, 60_000);
afterAll(() => all.close());
beforeEach(() => Promise.all(databases.map((client) => client.query('TRUNCATE sample'))));

async function fill(given: readonly Row[]): Promise<void> {
  const insert = (client: pg.Client, some: readonly Row[]): Promise<unknown> =>
    client.query(`TRUNCATE sample; `).then(() =>
      client.query(
        `INSERT INTO sample (id, big, small, amount, ratio, rough, title, made_at, local, day, flag, other, nick, score, seen)
         SELECT id, big, small, amount, ratio, rough, title, "madeAt", local, day, flag, other, nick, score, seen
         FROM json_to_recordset($1) AS r(id uuid, big bigint, small int, amount numeric, ratio double precision, rough real,
           title text, "madeAt" timestamptz, local timestamp, day date, flag boolean, other uuid, nick text, score bigint,
           seen timestamptz)`,
        [JSON.stringify(some)],
      ),
    );
  const shardOf = await Promise.all(given.map(({ id }) => all.shards.shardOf(id!)));
  await Promise.all([
    ...all.shards.shardNames.map((shard, i) =>
      insert(
        databases[i]!,
        given.filter((_, n) => shardOf[n] === shard),
      ),
    ),
    insert(databases[3]!, given),
  ]);
}

/** The ids in the order of one PostgreSQL. */
async function judged(terms: readonly (readonly [string, string])[]): Promise<string[]> {
  const last = terms.at(-1)?.[1] ?? 'ASC';
  const by = [...terms, ...(terms.some(([property]) => property === 'id') ? [] : [['id', last] as const])];
  const orderBy = by.map(([property, way]) => `${COLUMNS[property]!} ${way} NULLS LAST`).join(', ');
  const { rows: found } = await databases[3]!.query<{ id: string }>(
    `SELECT id FROM sample ORDER BY ${orderBy}`,
  );
  return found.map(({ id }) => id);
}

async function walk(
  terms: readonly (readonly [string, string])[],
  limit: number,
): Promise<{ ids: string[]; pages: number }> {
  const by = Object.fromEntries(terms) as Record<string, 'ASC' | 'DESC'>;
  const ids: string[] = [];
  let cursor: string | undefined;
  for (let pages = 1; ; pages++) {
    const page = await repository.scatter({ order: by, limit, cursor });
    ids.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor;
    if (cursor === undefined) return { ids, pages };
  }
}

describe('a scatter over three shards', () => {
  it('walked by cursor gives every row once, in the order of one database', async () => {
    await fc.assert(
      fc.asyncProperty(
        rows,
        fc.array(order, { minLength: 3, maxLength: 3 }),
        fc.integer({ min: 1, max: 9 }),
        async (given, orders, limit) => {
          await fill(given);
          for (const terms of orders) {
            const expected = await judged(terms);
            const { ids, pages } = await walk(terms, limit);
            expect(ids).toEqual(expected);
            expect(pages).toBe(Math.max(1, Math.ceil(expected.length / limit)));
          }
        },
      ),
      { numRuns: 60 },
    );
  }, 120_000);

  it('gives by offset what one database gives', async () => {
    await fc.assert(
      fc.asyncProperty(
        rows,
        order,
        fc.integer({ min: 1, max: 9 }),
        fc.nat({ max: 45 }),
        async (given, terms, limit, offset) => {
          await fill(given);
          const by = Object.fromEntries(terms) as Record<string, 'ASC' | 'DESC'>;
          const { items } = await repository.scatter({ order: by, limit, offset });
          expect(items.map(({ id }) => id)).toEqual((await judged(terms)).slice(offset, offset + limit));
          expect(await repository.scatterCount()).toBe(given.length);
        },
      ),
      { numRuns: 40 },
    );
  }, 120_000);

  it('meets every row that stays, while others come and go between pages', async () => {
    const stay = Array.from({ length: 60 }, (_, i) => newId((i * 997) % SLOT_COUNT));
    const make = (id: string, i: number): Row => ({
      id,
      madeAt: `2026-01-01 00:00:00.00000${i % 7}`,
      ...{ big: '1', small: '1', amount: '1', ratio: '1', rough: '1', title: 't', flag: 'true' },
      ...{ local: '2026-01-01 00:00:00', day: '2026-01-01', other: id, nick: null, score: null, seen: null },
    });
    await fill(stay.map(make));
    const met: string[] = [];
    let cursor: string | undefined;
    let next = stay.length;
    do {
      const page = await repository.scatter({ order: { madeAt: 'DESC', id: 'DESC' }, limit: 7, cursor });
      met.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
      for (let n = 0; n < 5; n++) {
        const id = newId((next * 31) % SLOT_COUNT);
        const row = { ...make(id, next++), local: new Date() };
        await all.shards.transaction(id, (tx) =>
          tx.insert(Sample, { ...row, madeAt: new Date(Date.UTC(2026, 0, 1)) }),
        );
      }
    } while (cursor !== undefined && met.length < 1_000);
    expect(new Set(met).size).toBe(met.length);
    expect(stay.filter((id) => !met.includes(id))).toEqual([]);
  });
});

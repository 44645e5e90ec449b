import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '@rookery/kernel';
import {
  AfterLoad,
  Column,
  DeleteDateColumn,
  Entity,
  ILike,
  In,
  IsNull,
  ManyToOne,
  MoreThanOrEqual,
  PrimaryColumn,
} from 'typeorm';
import {
  defineMigration,
  Global,
  Sharded,
  Shards,
  type ScatterQuery,
  type ShardedRepository,
} from '@rookery/sharding';
import { testDatabases } from '@rookery/devstack/testing';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { STEADY } from '../testing/time.js';

const pence = {
  to: (pounds?: number) => (typeof pounds === 'number' ? Math.round(pounds * 100) : pounds),
  from: (stored: number) => stored / 100,
};

@Sharded({ key: 'id' })
@Entity('ware')
class Ware {
  @PrimaryColumn('uuid') id!: string;
  @Column('text') name!: string;
  @Column('int', { transformer: pence }) price!: number;
  @Column('timestamptz', { name: 'made_at' }) madeAt!: Date;
  @Column('text', { nullable: true }) note!: string | null;
  @Column('jsonb', { nullable: true }) extra!: unknown;
  @Column('text', { select: false, default: 'hidden' }) secret!: string;
  @Column('text', { array: true, default: '{}' }) tags!: string[];
  @DeleteDateColumn({ name: 'gone_at', type: 'timestamptz' }) goneAt!: Date | null;
  @ManyToOne(() => Ware, { nullable: true, createForeignKeyConstraints: false }) parent!: Ware | null;
  label!: string;

  @AfterLoad()
  describe(): void {
    this.label = `${this.name} at ${this.price}`;
  }
}

@Global()
@Entity('ware_kind')
class WareKind {
  @PrimaryColumn('text') name!: string;
}

const migration = defineMigration({
  id: 'ware',
  up: `CREATE TABLE ware (id uuid PRIMARY KEY, name text NOT NULL, price int NOT NULL, made_at timestamptz NOT NULL,
    note text, extra jsonb, secret text NOT NULL DEFAULT 'hidden', tags text[] NOT NULL DEFAULT '{}',
    gone_at timestamptz, "parentId" uuid);
    CREATE INDEX ware_made_at ON ware (made_at, id);
    CREATE INDEX ware_name ON ware (name COLLATE "C", id);
    CREATE TABLE ware_kind (name text PRIMARY KEY);
    SELECT rookery_shard_table('ware', 'rookery_slot_of(id)', 'id')`,
});

let all: TestShards;
let wares: ShardedRepository<typeof Ware>;
const ids = Array.from({ length: 12 }, (_, i) => newId((i * 911) % 4096));
beforeAll(async () => {
  all = await testShards({
    databases: testDatabases,
    count: 3,
    entities: [Ware, WareKind],
    migrations: [migration],
    maxOffset: 50,
    ...STEADY,
  });
  wares = all.shards.repository(Ware);
  for (const [i, id] of ids.entries()) {
    await all.shards.transaction(id, (tx) =>
      tx.insert(Ware, {
        id,
        name: `ware ${String.fromCharCode(97 + (i % 4))}`,
        price: i + 0.5,
        madeAt: new Date(Date.UTC(2026, 0, 1 + i)),
        note: i % 2 ? null : 'even',
        extra: { i },
        goneAt: i === 11 ? new Date() : null,
      }),
    );
  }
}, 60_000);
afterAll(() => all.close());

describe('scatter', () => {
  it('gives entities as TypeORM would: instances, transformed, without what is not selected', async () => {
    const { items } = await wares.scatter({ where: { id: ids[3]! }, limit: 5 });
    const found = await (await wares.on(ids[3]!)).findOneByOrFail({ id: ids[3]! });
    expect(items).toEqual([found]);
    expect(items[0]).toBeInstanceOf(Ware);
    expect(items[0]).toMatchObject({ price: 3.5, extra: { i: 3 }, label: 'ware d at 3.5' });
    expect(items[0]).not.toHaveProperty('secret');
  });

  it('understands the conditions of TypeORM, and leaves out what is soft-deleted', async () => {
    const names = async (query: Partial<ScatterQuery<typeof Ware>>): Promise<number[]> =>
      (await wares.scatter({ limit: 20, order: { madeAt: 'ASC' }, ...query })).items.map(
        ({ price }) => price,
      );
    expect(await names({})).toEqual([0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5]);
    expect(await names({ where: { id: In([ids[1]!, ids[2]!, ids[11]!]) } })).toEqual([1.5, 2.5]);
    expect(await names({ where: { note: IsNull(), price: MoreThanOrEqual(7) } })).toEqual([7.5, 9.5]);
    expect(await names({ where: [{ name: ILike('%A') }, { id: ids[1]! }] })).toEqual([0.5, 1.5, 4.5, 8.5]);
    expect(await names({ where: { id: In([]) } })).toEqual([]);
    expect(await wares.scatterCount()).toBe(11);
    expect(await wares.scatterCount({ note: 'even' })).toBe(6);
  });

  it('keeps conditions and cursor apart', async () => {
    const query = {
      where: [{ note: 'even' }, { price: 1.5 }],
      order: { name: 'DESC', madeAt: 'ASC' },
    } as const;
    const one = await wares.scatter({ ...query, where: [...query.where], limit: 4 });
    const two = await wares.scatter({ ...query, where: [...query.where], limit: 4, cursor: one.nextCursor });
    expect([...one.items, ...two.items].map(({ price }) => price)).toEqual([
      2.5, 6.5, 10.5, 1.5, 0.5, 4.5, 8.5,
    ]);
    expect(two.nextCursor).toBeUndefined();
  });

  it('counts an offset from the cursor, where both are given', async () => {
    const order = { madeAt: 'ASC' } as const;
    const { nextCursor } = await wares.scatter({ order, limit: 2 });
    const { items } = await wares.scatter({ order, limit: 2, cursor: nextCursor, offset: 3 });
    expect(items.map(({ price }) => price)).toEqual([5.5, 6.5]);
  });

  it.each([
    [{ limit: 0 }, 'RK_SHARDING_BAD_PAGE'],
    [{ limit: -1 }, 'RK_SHARDING_BAD_PAGE'],
    [{ limit: 1.5 }, 'RK_SHARDING_BAD_PAGE'],
    [{ limit: Number.NaN }, 'RK_SHARDING_BAD_PAGE'],
    [{ limit: 2 ** 60 }, 'RK_SHARDING_BAD_PAGE'],
    [{ limit: 1, offset: -1 }, 'RK_SHARDING_BAD_PAGE'],
    [{ limit: 1, offset: 0.5 }, 'RK_SHARDING_BAD_PAGE'],
    [{ limit: 1, offset: 51 }, 'RK_SHARDING_OFFSET_TOO_LARGE'],
    [{ limit: 1, cursor: 'nonsense' }, 'RK_SHARDING_BAD_CURSOR'],
    [{ limit: 1, cursor: '' }, 'RK_SHARDING_BAD_CURSOR'],
  ])('refuses %j', async (query, code) => {
    await expect(wares.scatter(query)).rejects.toMatchObject({ code, status: 400 });
  });

  it.each([
    [{ where: [] }, /no alternatives/],
    [{ where: { name: undefined } }, /undefined/i],
    [{ where: { note: null } }, /null/i],
    [{ where: { nome: 'x' } }, /nome/],
    [{ where: { parent: { id: 'x' } } }, /relation/],
    [{ where: { parent: {} } }, /relation/],
    [{ order: { nome: 'ASC' } }, /no column/],
    [{ order: { name: 'ASC; DROP TABLE ware' } }, /neither ASC nor DESC/],
    [{ order: { extra: 'ASC' } }, /jsonb/],
    [{ order: { tags: 'ASC' } }, /text/],
    [{ order: { parent: 'ASC' } }, /no column/],
  ])('refuses %j, which would mean something else than it says', async (query, reason) => {
    const asked = wares.scatter({ limit: 1, ...query } as unknown as ScatterQuery<typeof Ware>);
    await expect(asked).rejects.toMatchObject({ code: 'RK_SHARDING_BAD_SCATTER', status: 500 });
    await expect(asked).rejects.toThrow(reason);
  });

  it('refuses an entity whose rows are on every shard', async () => {
    const kinds = all.shards.repository(WareKind);
    await expect(kinds.scatter({ limit: 1 })).rejects.toMatchObject({ code: 'RK_SHARDING_BAD_SCATTER' });
    await expect(kinds.scatterCount()).rejects.toMatchObject({ code: 'RK_SHARDING_BAD_SCATTER' });
  });

  it('refuses to run inside a transaction', async () => {
    const asked = all.shards.transaction(ids[0]!, () => wares.scatter({ limit: 1 }));
    await expect(asked).rejects.toMatchObject({ code: 'RK_SHARDING_CROSS_SHARD' });
  });

  it('fails whole when a shard is away, rather than leave its rows out', async () => {
    const urls = [all.urls[0]!, all.urls[1]!, 'postgres://postgres@127.0.0.1:1/nothing'];
    const maimed = await all.another({ shards: urls.map((url) => ({ url })) });
    const asked = maimed.repository(Ware).scatter({ limit: 1 });
    await expect(asked).rejects.toMatchObject({ code: 'RK_SHARDING_SHARD_UNAVAILABLE' });
  });

  it('tells when the mapping lies about an order column', async () => {
    const clients = await Promise.all([0, 1, 2].map((i) => all.client(i)));
    const alter = (sql: string): Promise<unknown> => Promise.all(clients.map((client) => client.query(sql)));
    await alter('ALTER TABLE ware ALTER name DROP NOT NULL; UPDATE ware SET name = NULL');
    for (const limit of [1, 100]) {
      const asked = wares.scatter({ order: { name: 'ASC' }, limit });
      await expect(asked).rejects.toThrow(/"name" is NULL in a row/);
    }
    await alter(`UPDATE ware SET name = 'x'; ALTER TABLE ware ALTER name SET NOT NULL`);
  });

  it.each([
    [{ madeAt: 'DESC' }, 'ware_made_at', /Index Cond: \(ROW\(/],
    [{ name: 'ASC' }, 'ware_name', /Index Cond: \(ROW\(/],
    [{ madeAt: 'DESC', id: 'ASC' }, 'ware_made_at', /Index Cond: \(.*made_at <= /],
  ] as const)('is served by the index of %j', async (order, index, condition) => {
    const [sample] = (await wares.scatter({ order, limit: 3 })).items;
    expect(sample).toBeDefined();
    const { nextCursor } = await wares.scatter({ order, limit: 3 });
    const asked: { text: string; values: readonly unknown[] }[] = [];
    const spied = Object.create(all.shards, {
      scatter: {
        value: (statement: { text: string; values: readonly unknown[] }) => {
          asked.push(statement);
          return Promise.resolve([]);
        },
      },
    }) as Shards;
    await Shards.prototype.repository.call(spied, Ware).scatter({ order, limit: 3, cursor: nextCursor });
    const client = await all.client(0);
    await client.query(
      'SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_incremental_sort = off',
    );
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${asked[0]!.text}`, [
      ...asked[0]!.values,
    ]);
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain(`${index} on ware`);
    expect(plan).toMatch(condition);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Deadline, newId, runInContext } from '@rookery/kernel';
import { Column, Entity, In, PrimaryColumn, VersionColumn } from 'typeorm';
import { defineMigration, Sharded } from '@rookery/sharding';
import { testDatabases } from '@rookery/devstack/testing';
import { FaultyLink, testShards, type TestShards } from '@rookery/sharding/testing';
import { STEADY } from '../testing/time.js';

const upper = {
  to: (text?: string | null) => text?.toUpperCase() ?? text,
  from: (text?: string | null) => text?.toLowerCase() ?? text,
};

@Sharded({ key: 'id' })
@Entity('trap')
class Trap {
  @PrimaryColumn('uuid') id!: string;
  @Column('text', { default: 'unnamed' }) name!: string;
  @Column('text', { nullable: true, default: 'noted' }) note!: string | null;
  @Column('jsonb', { nullable: true }) doc!: unknown;
  @Column('text', { array: true, default: '{}' }) words!: string[];
  @Column('text', { nullable: true, transformer: upper }) loud!: string | null;
  @Column({ type: 'int', generatedType: 'STORED', asExpression: 'length(name)', nullable: true })
  size!: number;
  @Column('boolean', { default: false }) flag!: boolean;
  @VersionColumn() version!: number;
}

const migration = defineMigration({
  id: 'trap',
  up: `CREATE TABLE trap (id uuid PRIMARY KEY, name text NOT NULL DEFAULT 'unnamed', note text DEFAULT 'noted', doc jsonb,
    words text[] NOT NULL DEFAULT '{}', loud text, size int GENERATED ALWAYS AS (length(name)) STORED,
    flag boolean NOT NULL DEFAULT false, version int NOT NULL);
    SELECT rookery_shard_table('trap', 'rookery_slot_of(id)', 'id')`,
});

let all: TestShards;
beforeAll(async () => {
  all = await testShards({
    databases: testDatabases,
    count: 2,
    entities: [Trap],
    migrations: [migration],
    poolMax: 2,
    ...STEADY,
  });
}, 60_000);
afterAll(() => all.close());

const raw = async (id: string): Promise<Record<string, unknown>> =>
  (await all.shards.query(id, { text: 'SELECT * FROM trap WHERE id = $1', values: [id] }))[0]!;

describe('rows inserted by their mapping', () => {
  it('leaves undefined to the default and writes null as NULL', async () => {
    const id = newId(1);
    await all.shards.transaction(id, (tx) => tx.insert(Trap, { id, name: undefined, note: null }));
    expect(await raw(id)).toMatchObject({ name: 'unnamed', note: null, version: 1 });
  });

  it('writes JSON, arrays, transformed values and booleans as TypeORM would', async () => {
    const [mine, theirs] = [newId(1), newId(1)];
    const row = { doc: [{ a: 1 }, 'text', null], words: ['a"b', 'c,d', ''], loud: 'quiet', flag: true };
    await all.shards.transaction(mine, (tx) => tx.insert(Trap, { id: mine, ...row }));
    await all.shards.transaction(theirs, async (tx) => {
      await (await tx.manager()).insert(Trap, { id: theirs, ...row });
    });
    expect({ ...(await raw(mine)), id: '' }).toEqual({ ...(await raw(theirs)), id: '' });
    expect(await raw(mine)).toMatchObject({ ...row, loud: 'QUIET' });
    for (const doc of ['a string', 7, false, {}]) {
      const id = newId(1);
      await all.shards.transaction(id, (tx) => tx.insert(Trap, { id, doc }));
      expect((await raw(id))['doc']).toEqual(doc);
    }
  });

  it('takes an entity that was read, whose generated columns the database fills', async () => {
    const [from, to] = [newId(1), newId(1)];
    await all.shards.transaction(from, (tx) => tx.insert(Trap, { id: from, name: 'four' }));
    const read = await (await all.shards.repository(Trap).on(from)).findOneByOrFail({ id: from });
    expect(read.size).toBe(4);
    await all.shards.transaction(to, (tx) =>
      tx.insert(Trap, { ...read, id: to, name: 'sixsix', version: 5 }),
    );
    expect(await raw(to)).toMatchObject({ size: 6, version: 5 });
  });

  it('refuses a property without a column', async () => {
    const id = newId(1);
    const row = { id, nome: 'x' } as Partial<Trap>;
    await expect(all.shards.transaction(id, async (tx) => tx.insert(Trap, row))).rejects.toMatchObject({
      code: 'RK_SHARDING_UNMAPPED',
    });
  });
});

describe('TypeORM inside a transaction', () => {
  it('saves, builds queries and finds on the transaction itself', async () => {
    const id = newId(2);
    await all.shards.transaction(id, async (tx) => {
      const manager = await tx.manager();
      await manager.save(manager.create(Trap, { id, name: 'saved' }));
      await manager.createQueryBuilder().update(Trap).set({ name: 'built' }).where({ id }).execute();
      expect(await manager.findOneByOrFail(Trap, { id })).toMatchObject({ name: 'built', version: 2 });
      expect(await raw(id)).toBeUndefined();
    });
    expect(await raw(id)).toMatchObject({ name: 'built' });
  });

  it('never gives the connection back, and never commits', async () => {
    const id = newId(2);
    const failed = all.shards.transaction(id, async (tx) => {
      const manager = await tx.manager();
      await manager.transaction((inner) => inner.insert(Trap, { id, name: 'inner' }));
      await manager.queryRunner!.release();
      expect(await manager.countBy(Trap, { id })).toBe(1);
      throw new Error('after the nested transaction');
    });
    await expect(failed).rejects.toThrow('after the nested transaction');
    expect(await raw(id)).toBeUndefined();
    expect(all.shards.status()[0]!.pool.idle).toBe(all.shards.status()[0]!.pool.open);
  });

  it('makes a nested transaction a savepoint, which can fail alone', async () => {
    const [outer, inner] = [newId(2), newId(2)];
    await all.shards.transaction(outer, async (tx) => {
      const manager = await tx.manager();
      await manager.insert(Trap, { id: outer, name: 'outer' });
      const nested = manager.transaction(async (savepoint) => {
        await savepoint.insert(Trap, { id: inner, name: 'inner' });
        await savepoint.query('SELECT 1/0');
      });
      await expect(nested).rejects.toMatchObject({ code: '22012' });
      await manager.transaction((one) =>
        one.transaction((two) => two.increment(Trap, { id: outer }, 'version', 5)),
      );
    });
    expect(await raw(outer)).toMatchObject({ version: 6 });
    expect(await raw(inner)).toBeUndefined();
  });

  it.each(['commitTransaction', 'rollbackTransaction'] as const)(
    'refuses %s on its query runner',
    async (end) => {
      const id = newId(2);
      const work = all.shards.transaction(id, async (tx) => {
        const manager = await tx.manager();
        await manager.insert(Trap, { id });
        await manager.queryRunner![end]();
      });
      await expect(work).rejects.toMatchObject({ code: 'RK_SHARDING_NESTED_COMMIT' });
      expect(await raw(id)).toBeUndefined();
    },
  );

  it('refuses to end it by disposal or by another isolation', async () => {
    const id = newId(2);
    const work = all.shards.transaction(id, async (tx) => {
      const manager = await tx.manager();
      await manager.insert(Trap, { id });
      await manager.queryRunner![Symbol.asyncDispose]();
      await manager.transaction('SERIALIZABLE', () => Promise.resolve());
    });
    await expect(work).rejects.toMatchObject({ code: 'RK_SHARDING_NESTED_COMMIT' });
    expect(await raw(id)).toBeUndefined();
  });

  it('is closed once the transaction has ended', async () => {
    const id = newId(2);
    const kept = await all.shards.transaction(id, (tx) => tx.manager());
    await expect(kept.insert(Trap, { id })).rejects.toMatchObject({ code: 'RK_SHARDING_TRANSACTION_OVER' });
    await expect(kept.dataSource.query('SELECT 1')).rejects.toThrow();
  });

  it('fails the transaction by a statement whose error was swallowed', async () => {
    const id = newId(2);
    const work = all.shards.transaction(id, async (tx) => {
      const manager = await tx.manager();
      await manager.insert(Trap, { id });
      await manager.insert(Trap, { id }).catch(() => undefined);
    });
    await expect(work).rejects.toMatchObject({ code: '23505' });
    expect(await raw(id)).toBeUndefined();
  });

  it('takes no second connection, however many transactions use it at once', async () => {
    const cold = await all.another({ poolMax: 1 });
    const ids = Array.from({ length: 8 }, () => newId(2));
    await Promise.all(
      ids.map((id) =>
        cold.transaction(id, async (tx) => {
          await (await tx.manager()).insert(Trap, { id });
        }),
      ),
    );
    expect(await (await cold.repository(Trap).on(ids[0]!)).countBy({ id: In(ids) })).toBe(8);
  });
});

describe('TypeORM outside a transaction', () => {
  it('reads, and refuses whatever would write', async () => {
    const id = newId(3);
    const repository = await all.shards.repository(Trap).on(id);
    expect(await repository.findBy({ id })).toEqual([]);
    const refused = { code: 'RK_SHARDING_WRITE_OUTSIDE_TRANSACTION' };
    await expect(repository.save(repository.create({ id }))).rejects.toMatchObject(refused);
    await expect(repository.insert({ id })).rejects.toMatchObject(refused);
    await expect(repository.update({ id }, { name: 'x' })).rejects.toMatchObject(refused);
    await expect(repository.manager.transaction(() => Promise.resolve())).rejects.toMatchObject(refused);
    expect(await raw(id)).toBeUndefined();
  });

  it('answers for a dead shard with its coded error, and for the living ones with rows', async () => {
    const [alive, dead] = [newId(1), newId(4095)];
    const halved = await all.another({
      shards: [{ url: all.urls[0]! }, { url: 'postgres://postgres@127.0.0.1:1/nothing' }],
    });
    expect(await (await halved.repository(Trap).on(alive)).countBy({ id: alive })).toBe(0);
    await expect((await halved.repository(Trap).on(dead)).findBy({ id: dead })).rejects.toMatchObject({
      code: 'RK_SHARDING_SHARD_UNAVAILABLE',
      status: 503,
    });
  });

  it('gives up on a frozen shard at the deadline of the call', async () => {
    const link = await FaultyLink.to(all.urls[0]!);
    try {
      const frozen = await all.another({ shards: [{ url: link.url }, { url: all.urls[1]! }] });
      const id = newId(1);
      const repository = await frozen.repository(Trap).on(id);
      await repository.countBy({ id });
      link.freeze();
      const since = performance.now();
      const asked = runInContext({ requestId: 'test', deadline: Deadline.after(300) }, () =>
        repository.findBy({ id }),
      );
      await expect(asked).rejects.toMatchObject({ code: 'RK_KERNEL_DEADLINE_EXCEEDED', status: 504 });
      // Below the deadline that there would be without the call's own.
      expect(performance.now() - since).toBeLessThan(10_000);
      await frozen.close();
    } finally {
      await link.close();
    }
  });

  it('works without session state, as behind a pooler', async () => {
    const pooled = await all.another({ sessionState: false });
    const id = newId(7);
    await pooled.transaction(id, async (tx) => {
      await tx.insert(Trap, { id, name: 'pooled' });
      const manager = await tx.manager();
      await manager.transaction((inner) => inner.update(Trap, { id }, { note: 'nested' }));
    });
    expect(await (await pooled.repository(Trap).on(id)).findOneByOrFail({ id })).toMatchObject({
      note: 'nested',
    });
    const { items } = await pooled.repository(Trap).scatter({ where: { name: 'pooled' }, limit: 5 });
    expect(items.map((item) => item.id)).toEqual([id]);
  });
});

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { newId } from '@rookery/kernel';
import { testDatabases } from '@rookery/devstack/testing';
import { defineMigration, Sharded } from '@rookery/sharding';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { Column, Entity, PrimaryColumn, VersionColumn } from 'typeorm';
import { STEADY } from '../testing/time.js';

class Address {
  @Column('text', { nullable: true }) city!: string | null;
  @Column('date', { nullable: true }) since!: string | null;
}

/** One column of each kind of conversion. */
@Sharded({ key: 'id' })
@Entity('everything')
class Everything {
  @PrimaryColumn('uuid') id!: string;
  @Column() plain!: string;
  @Column() count!: number;
  @Column() yes!: boolean;
  @Column() made!: Date;
  @Column('bigint') big!: string;
  @Column('numeric') amount!: string;
  @Column('real') rough!: number;
  @Column('double precision') ratio!: number;
  @Column('date') day!: string;
  @Column('time') at!: string;
  @Column('timestamptz') moment!: Date;
  @Column('timestamptz') never!: unknown;
  @Column('json') json!: unknown;
  @Column('jsonb', { nullable: true }) jsonb!: unknown;
  @Column('bytea') bytes!: Buffer;
  @Column('simple-array') list!: string[];
  @Column('simple-json') simple!: unknown;
  @Column('int', { array: true }) numbers!: number[];
  @Column('enum', { enum: ['a', 'b'], enumName: 'letter' }) letter!: string;
  @Column('enum', { enum: ['a', 'b'], enumName: 'letter', array: true }) letters!: string[];
  @Column('text', { nullable: true, transformer: { to: (v) => v as string, from: (v) => `<${String(v)}>` } })
  wrapped!: string;
  @Column(() => Address) address!: Address;
  @VersionColumn() version!: number;
}

const migration = defineMigration({
  id: 'everything',
  up: `CREATE TYPE letter AS ENUM ('a', 'b');
    CREATE TABLE everything (id uuid PRIMARY KEY, plain varchar NOT NULL, count int NOT NULL, yes boolean NOT NULL,
      made timestamp NOT NULL, big bigint NOT NULL, amount numeric NOT NULL, rough real NOT NULL,
      ratio double precision NOT NULL, day date NOT NULL, at time NOT NULL, moment timestamptz NOT NULL,
      never timestamptz NOT NULL, json json NOT NULL, jsonb jsonb, bytes bytea NOT NULL, list text NOT NULL,
      simple text NOT NULL, numbers int[] NOT NULL, letter letter NOT NULL, letters letter[] NOT NULL, wrapped text,
      "addressCity" text, "addressSince" date, version int NOT NULL);
    SELECT rookery_shard_table('everything', 'rookery_slot_of(id)', 'id')`,
});

let all: TestShards;
beforeAll(async () => {
  all = await testShards({
    databases: testDatabases,
    entities: [Everything],
    migrations: [migration],
    ...STEADY,
  });
}, 60_000);
afterAll(() => all.close());

it('a scattered row is what find makes of it, whatever its columns', async () => {
  const id = newId(5);
  await all.shards.transaction(id, (tx) =>
    tx.query({
      text: `INSERT INTO everything VALUES ($1, 'p', 1, true, '2026-01-02 03:04:05', 9007199254740993, 1.50, 0.1, 0.1,
        '2026-01-02', '03:04:05', '2026-01-02 03:04:05+00', 'infinity', '{"a": [1, null]}', '[1]', '\\x00ff', 'x,y',
        '{"b": 1}', '{1,2}', 'b', '{a,b}', NULL, 'Graz', '2026-01-03', 1)`,
      values: [id],
    }),
  );
  const repository = all.shards.repository(Everything);
  const { items } = await repository.scatter({ limit: 1 });
  const found = await (await repository.on(id)).findOneByOrFail({ id });
  expect(items[0]).toStrictEqual(found);
  expect(items[0]).toMatchObject({
    big: '9007199254740993',
    day: '2026-01-02',
    list: ['x', 'y'],
    wrapped: '<null>',
    address: { city: 'Graz', since: '2026-01-03' },
  });
});

import { testDatabases } from '@rookery/devstack/testing';
import pg from 'pg';
import { SLOT_COUNT } from '@rookery/kernel';
import { frameworkMigrations } from '../schema/framework-migrations.js';
import { Shards } from '../shards.js';
import { STEADY } from '../testing/time.js';
import { defineMigration, type Migration } from './migration.js';
import { Migrator } from './migrator.js';

const birds = defineMigration({ id: 'site-0001-birds', up: 'CREATE TABLE bird (id uuid PRIMARY KEY)' });
const nests = defineMigration({ id: 'site-0002-nests', up: 'CREATE TABLE nest (id uuid PRIMARY KEY)' });
const index = defineMigration({
  id: 'site-0003-index',
  up: 'CREATE INDEX CONCURRENTLY IF NOT EXISTS nest_id ON nest (id)',
  transactional: false,
});

describe('migrations', () => {
  let urls: string[];
  let drop: () => Promise<void>;
  beforeEach(async () => {
    ({ urls, drop } = await testDatabases({ count: 2 }));
  }, 60_000);
  afterEach(() => drop());

  const migrator = (migrations: readonly Migration[], order = urls) =>
    new Migrator({ shards: order.map((url) => ({ url })), migrations });

  async function ask<R extends pg.QueryResultRow>(position: number, text: string): Promise<R[]> {
    const client = new pg.Client(urls[position]);
    await client.connect();
    try {
      return (await client.query<R>(text)).rows;
    } finally {
      await client.end();
    }
  }
  const tableAt = async (position: number, table: string) =>
    (await ask<{ there: boolean }>(position, `SELECT to_regclass('${table}') IS NOT NULL AS there`))[0]!
      .there;
  const ownedAt = async (position: number) =>
    (await ask<{ slot: number }>(position, 'SELECT slot FROM rookery_slot ORDER BY slot')).map(
      ({ slot }) => slot,
    );

  async function startFailure(migrations: readonly Migration[], order = urls): Promise<unknown> {
    // A shard that is late is away, which is no failure to start.
    const shards = new Shards({
      shards: order.map((url) => ({ url })),
      migrations,
      connectTimeoutMs: STEADY.connectTimeoutMs,
    });
    try {
      return await shards.start().then(
        () => 'started',
        (error: unknown) => error,
      );
    } finally {
      await shards.close();
    }
  }

  it('bring every shard to the same schema, name it, and deal the slots out evenly', async () => {
    const told: string[] = [];
    const steps = await migrator([birds, nests, index]).up(({ shard, id }) => told.push(`${shard} ${id}`));
    expect(steps).toHaveLength((frameworkMigrations.length + 3) * 2);
    expect(told).toEqual(steps.map(({ shard, id }) => `${shard} ${id}`));
    expect(told.map((text) => text.slice(0, 2)).join('')).toMatch(/^(s1)+(s2)+$/);
    const owned = await Promise.all([ownedAt(0), ownedAt(1)]);
    expect(owned.flat()).toEqual(Array.from({ length: SLOT_COUNT }, (_, slot) => slot));
    for (const slots of owned) expect(slots).toHaveLength(SLOT_COUNT / 2);
    expect(await migrator([birds, nests, index]).up()).toEqual([]);
    const status = await migrator([birds, nests, index]).status();
    expect(
      status.map(({ shard, reachable, pending, unknown }) => ({ shard, reachable, pending, unknown })),
    ).toEqual(['s1', 's2'].map((shard) => ({ shard, reachable: true, pending: [], unknown: [] })));
    expect(await startFailure([birds, nests, index])).toBe('started');
  });

  it('stop at the first shard, whole, when one of them fails there, and go on from where they stopped', async () => {
    const broken = defineMigration({
      id: nests.id,
      up: 'CREATE TABLE nest (id uuid PRIMARY KEY); SELECT 1 / 0',
    });
    await expect(migrator([birds, broken]).up()).rejects.toMatchObject({
      code: 'RK_SHARDING_MIGRATION_FAILED',
      data: { shard: 's1', id: nests.id, reason: 'division by zero' },
    });
    expect([await tableAt(0, 'bird'), await tableAt(0, 'nest')]).toEqual([true, false]);
    expect(await tableAt(1, 'rookery_migration')).toBe(false);
    const steps = await migrator([birds, nests]).up();
    expect(steps.filter(({ shard }) => shard === 's1').map(({ id }) => id)).toEqual([nests.id]);
    expect(await tableAt(1, 'nest')).toBe(true);
  });

  it('are applied and recorded together, or not at all', async () => {
    const unrecorded = defineMigration({
      id: nests.id,
      up: `${nests.up}; ALTER TABLE rookery_migration ADD CHECK (id <> '${nests.id}')`,
    });
    await expect(migrator([unrecorded]).up()).rejects.toMatchObject({ code: 'RK_SHARDING_MIGRATION_FAILED' });
    expect(await tableAt(0, 'nest')).toBe(false);
    await migrator([nests]).up();
  });

  it('go on at the shard where they were interrupted, whose slots are dealt as if nothing had been', async () => {
    await ask(1, 'CREATE TABLE nest (id uuid PRIMARY KEY)');
    await expect(migrator([birds, nests]).up()).rejects.toMatchObject({ data: { shard: 's2' } });
    expect(await ownedAt(0)).toEqual([]);
    await ask(1, 'DROP TABLE nest');
    const steps = await migrator([birds, nests]).up();
    expect(steps.map(({ shard, id }) => `${shard} ${id}`)).toEqual([`s2 ${nests.id}`]);
    // Interrupted once more, between two shards that get their slots.
    await ask(1, 'DELETE FROM rookery_slot; UPDATE rookery_slot_version SET version = 1');
    await migrator([birds, nests]).up();
    expect((await Promise.all([ownedAt(0), ownedAt(1)])).flat()).toHaveLength(SLOT_COUNT);
  });

  it('give no slot back to a shard that gave its slots away', async () => {
    await migrator([]).up();
    await ask(1, 'DELETE FROM rookery_slot');
    await migrator([birds]).up();
    expect(await ownedAt(1)).toEqual([]);
  });

  it('wait for each other when two run at once, and are applied once', async () => {
    const slow = defineMigration({ id: birds.id, up: `${birds.up}; SELECT pg_sleep(0.1)` });
    const [one, other] = await Promise.all([migrator([slow, nests]).up(), migrator([slow, nests]).up()]);
    expect([one.length, other.length].sort((a, b) => a - b)).toEqual([
      0,
      (frameworkMigrations.length + 2) * 2,
    ]);
  });

  it('refuse a text that was changed after it was applied, here and at start', async () => {
    await migrator([birds]).up();
    const changed = defineMigration({ id: birds.id, up: `${birds.up} -- and a comment` });
    await expect(migrator([changed]).up()).rejects.toMatchObject({
      code: 'RK_SHARDING_MIGRATION_CHANGED',
      data: { id: birds.id, shard: 's1' },
    });
    expect(await startFailure([changed])).toMatchObject({ code: 'RK_SHARDING_MIGRATION_CHANGED' });
    expect(await startFailure([defineMigration({ ...birds, up: `\n${birds.up}\n` })])).toBe('started');
  });

  it('refuse a schema that is newer than this version, here and at start, before anything is touched', async () => {
    await migrator([birds, nests]).up();
    await expect(migrator([birds, index]).up()).rejects.toMatchObject({
      code: 'RK_SHARDING_SCHEMA_NEWER',
      message: expect.stringContaining(nests.id) as string,
    });
    expect(await startFailure([birds])).toMatchObject({
      code: 'RK_SHARDING_SCHEMA_NEWER',
      message: `shard s1 has migrations this version does not know (${nests.id}): deploy a newer version of the site`,
    });
  });

  it('are asked for at start when a shard lacks some, or all of them', async () => {
    expect(await startFailure([])).toMatchObject({
      code: 'RK_SHARDING_SCHEMA_OLDER',
      message: expect.stringContaining('run `npx rookery migrate up`') as string,
    });
    await migrator([birds]).up();
    expect(await startFailure([birds, nests])).toMatchObject({
      code: 'RK_SHARDING_SCHEMA_OLDER',
      message: `shard s1 lacks the migrations ${nests.id}: run \`npx rookery migrate up\``,
    });
    const [status] = await migrator([birds, nests]).status();
    expect(status).toMatchObject({ pending: [nests.id], unknown: [] });
  });

  it('refuse shards in another order, and another cluster’s, before anything is touched', async () => {
    await migrator([]).up();
    const swapped = [urls[1]!, urls[0]!];
    const identity = { code: 'RK_SHARDING_IDENTITY', data: { position: 1 } };
    await expect(migrator([birds], swapped).up()).rejects.toMatchObject(identity);
    expect(await tableAt(1, 'bird')).toBe(false);
    expect(await startFailure([], swapped)).toMatchObject(identity);
    await ask(1, 'UPDATE rookery_identity SET cluster = gen_random_uuid()');
    await expect(migrator([birds]).up()).rejects.toMatchObject({
      code: 'RK_SHARDING_IDENTITY',
      data: { position: 2 },
    });
    expect(await tableAt(0, 'bird')).toBe(false);
  });

  it('list a shard that does not answer, and fail on it', async () => {
    const [status] = await new Migrator({
      shards: [{ url: 'postgres://postgres@127.0.0.1:1/none' }],
      migrations: [],
    }).status();
    expect(status).toMatchObject({
      shard: 's1',
      reachable: false,
      pending: frameworkMigrations.map(({ id }) => id),
    });
    expect(status!.trouble).toContain('ECONNREFUSED');
  });

  it('keep the published map in a control database of its own', async () => {
    const controlUrl = urls[1]!;
    const shards = urls.slice(0, 1).map((url) => ({ url }));
    await new Migrator({ shards, controlUrl, migrations: [birds] }).up();
    expect(await tableAt(1, 'bird')).toBe(false);
    expect(await ask(1, 'SELECT FROM rookery_map')).toHaveLength(SLOT_COUNT);
    expect(await ownedAt(0)).toHaveLength(SLOT_COUNT);
  });
});

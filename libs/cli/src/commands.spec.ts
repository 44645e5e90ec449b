import { testDatabases, type TestDatabases } from '@rookery/devstack/testing';
import { defineMigration, Migrator, Shards, type Migration } from '@rookery/sharding';
import type { CliCommand } from './cli.options.js';
import { migrateStatus } from './migrate/migrate-status.js';
import { migrateUp } from './migrate/migrate-up.js';
import { runCli } from './run-cli.js';
import type { ShardedSite } from './sharded-site.js';
import { shardsStatus } from './shards/shards-status.js';

const first = defineMigration({
  id: 'spec-0001-note',
  up: `CREATE TABLE note (id uuid PRIMARY KEY);
    SELECT rookery_shard_table('note', 'rookery_slot_of(id)', 'id');`,
});
const second = defineMigration({ id: 'spec-0002-more', up: 'ALTER TABLE note ADD COLUMN text text' });
/** A port that nothing listens on. */
const NOWHERE = 'postgres://nobody:x@127.0.0.1:1/none';

let databases: TestDatabases;

beforeEach(async () => {
  databases = await testDatabases({ count: 2 });
});
afterEach(() => databases.drop());

async function call(
  command: CliCommand<ShardedSite>,
  migrations: readonly Migration[],
  flags: readonly string[] = [],
  urls: readonly string[] = databases.urls,
) {
  let out = '';
  let err = '';
  const code = await runCli([...command.path, ...flags], {
    summary: 'spec',
    version: '0',
    groups: {},
    commands: [command],
    open: () =>
      Promise.resolve({
        sharding: { shards: urls.map((url) => ({ url })), migrations, connectTimeoutMs: 20_000 },
        close: () => Promise.resolve(),
      }),
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
  });
  return { code, out, err };
}

const withoutTimes = (text: string): string =>
  text.replace(/[\d.]+ m?s\b/g, 'TIME').replace(/20\d\d-\S+ \S+ UTC/g, 'DATE');
const up = (migrations: readonly Migration[]) =>
  new Migrator({ shards: databases.urls.map((url) => ({ url })), migrations }).up();

describe('rookery migrate', () => {
  it('shows what is pending, applies it a line per step, and then has nothing to do', async () => {
    await up([first]);
    const before = await call(migrateStatus, [first, second]);
    expect(withoutTimes(before.out)).toMatch(/^s1 {5}pending +\d+ +1 +0 {2}spec-0001-note, DATE$/m);
    expect(before.out).toMatch(/\npending\n {2}spec-0002-more {2}s1, s2\n/);
    expect(before.code).toBe(0);
    expect((await call(migrateStatus, [first, second], ['--check'])).code).toBe(1);

    const applied = await call(migrateUp, [first, second]);
    expect(withoutTimes(applied.out)).toBe(
      '[1/2] s1  spec-0002-more  TIME\n[2/2] s2  spec-0002-more  TIME\n✓ applied 2 migrations in TIME: 2 shards are up to date\n',
    );
    expect((await call(migrateUp, [first, second])).out).toBe('nothing to do: 2 shards are up to date\n');
    expect((await call(migrateStatus, [first, second], ['--check'])).code).toBe(0);
  });

  it('makes a new cluster from nothing', async () => {
    const applied = await call(migrateUp, [first], ['--json']);
    const { steps } = JSON.parse(applied.out) as { steps: { shard: string; id: string }[] };
    expect(steps.filter(({ shard }) => shard === 's1').map(({ id }) => id)).toEqual(
      steps.filter(({ shard }) => shard === 's2').map(({ id }) => id),
    );
    expect(steps.at(-1)).toMatchObject({ shard: 's2', id: 'spec-0001-note' });
  });

  it('tells of shards that are ahead of this version', async () => {
    await up([first, second]);
    const { out } = await call(migrateStatus, [first]);
    expect(out).toMatch(/^s1 {5}newer/m);
    expect(out).toMatch(/\nunknown\n {2}spec-0002-more {2}s1, s2\n/);
    const refused = await call(migrateUp, [first]);
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toMatch(/^rookery: .*spec-0002-more.*\(RK_SHARDING_SCHEMA_NEWER\)\n$/);
  });

  it('names a shard that does not answer, and changes nothing without it', async () => {
    const urls = [databases.urls[0]!, NOWHERE];
    const status = await call(migrateStatus, [first], [], urls);
    expect(status.out).toMatch(/^s2 {5}unreachable .*ECONNREFUSED/m);
    const refused = await call(migrateUp, [first], [], urls);
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(
      /^rookery: shard s2 does not answer \(.*ECONNREFUSED.*nothing was changed\n$/,
    );
    expect((await call(migrateStatus, [first], ['--json'])).out).not.toContain('appliedAt');
  });

  it('stops at a migration that fails, in one line', async () => {
    const broken = defineMigration({ id: 'spec-0003-broken', up: 'SELECT nonsense' });
    const { code, err } = await call(migrateUp, [first, broken]);
    expect(code).toBe(1);
    expect(err).toMatch(/^rookery: migration spec-0003-broken failed at shard s1: .*nonsense.*\n$/);
  });
});

describe('rookery shards status', () => {
  /** Rows in slots of one shard each. */
  async function write(counts: readonly number[]): Promise<void> {
    const shards = new Shards({
      shards: databases.urls.map((url) => ({ url })),
      migrations: [first],
      connectTimeoutMs: 20_000,
    });
    await shards.start();
    for (const [i, shard] of shards.shardNames.entries()) {
      const slot = shards.slotsOf(shard)[0]!;
      const text = `INSERT INTO note SELECT rookery_new_id(${slot}) FROM generate_series(1, ${counts[i]!})`;
      await shards.queryShard(shard, { text });
    }
    await shards.close();
  }

  it('shows slots, rows and connections of each shard, spread as they are', async () => {
    await up([first]);
    await write([30, 10]);
    const { code, out } = await call(shardsStatus, [first], ['--exact']);
    expect(code).toBe(0);
    expect(out).toMatch(/^s1 +up +2,048 +50\.0% +0–2047 +30 +█{15}·{5} +75\.0% +\d+ of \d+ +1 +[\d.]+ m?s$/m);
    expect(out).toMatch(/^s2 +up +2,048 +50\.0% +2048–4095 +10 +█{5}·{15} +25\.0%/m);
    expect(out).toMatch(/^note +30 +10 +40$/m);
    expect(out).toMatch(/^s1 +this command +\d+ +\d+$/m);
  });

  it('says the same in JSON', async () => {
    await up([first]);
    await write([3, 4]);
    const { out } = await call(shardsStatus, [first], ['--json', '--exact']);
    const { shards } = JSON.parse(out) as { shards: Record<string, unknown>[] };
    expect(shards).toMatchObject([
      { shard: 's1', state: 'up', slots: 2048, closedSlots: 0, ranges: [[0, 2047]], epoch: 1, rows: 3 },
      { shard: 's2', state: 'up', slots: 2048, closedSlots: 0, ranges: [[2048, 4095]], epoch: 1, rows: 4 },
    ]);
  });

  it('shows who is connected, by name', async () => {
    await up([first]);
    const replica = new Shards({
      shards: databases.urls.map((url) => ({ url })),
      migrations: [first],
      connectTimeoutMs: 20_000,
      applicationName: 'a replica',
    });
    await replica.start();
    await replica.scatter({ text: 'SELECT 1' });
    const { out } = await call(shardsStatus, [first]);
    await replica.close();
    expect(out).toMatch(/^s1 +a replica +1 +0$/m);
  });

  it('shows a shard that is away with the slots it owns, and ends with 1', async () => {
    await up([first]);
    const { code, out } = await call(shardsStatus, [first], [], [databases.urls[0]!, NOWHERE]);
    expect(code).toBe(1);
    expect(out).toMatch(/^s2 +down +2,048 +50\.0% +2048–4095 +– /m);
    expect(out).toMatch(/\ns2 does not answer: .*ECONNREFUSED/);
  });

  it('asks for migrations where the schema is older, and refuses databases in another order', async () => {
    const bare = await call(shardsStatus, [first]);
    expect(bare.code).toBe(1);
    expect(bare.err).toMatch(/^rookery: shard s\d lacks .*run `npx rookery migrate up`.*\n$/);
    await up([first]);
    const swapped = await call(shardsStatus, [first], [], [...databases.urls].reverse());
    expect(swapped.code).toBe(78);
    expect(swapped.err).toContain('RK_SHARDING_IDENTITY');
  });
});

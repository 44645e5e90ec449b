import { testDatabases, type TestDatabases } from '@rookery/devstack/testing';
import { defineEvent } from '@rookery/events';
import type { ShardingOptions } from '@rookery/sharding';
import { Migrator } from '@rookery/sharding';
import { z } from 'zod';
import { runCli } from '../run-cli.js';
import { capacity } from './capacity.js';
import type { CapacityPlan } from './plan-capacity.js';

const noted = defineEvent({
  type: 'note.noted',
  key: () => 'k',
  schema: z.object({ id: z.string() }),
  topic: { partitions: 2 },
});
/** A port that nothing listens on. */
const NOWHERE = 'postgres://nobody:x@127.0.0.1:1/none';

let databases: TestDatabases;
beforeAll(async () => {
  databases = await testDatabases({ count: 2 });
  await new Migrator({ shards: databases.urls.map((url) => ({ url })), migrations: [] }).up();
});
afterAll(() => databases.drop());

async function call(
  flags: readonly string[],
  sharding: Partial<ShardingOptions> = {},
  brokers?: readonly string[],
) {
  let out = '';
  let err = '';
  const code = await runCli(['capacity', ...flags], {
    summary: 'spec',
    version: '0',
    groups: {},
    commands: [capacity],
    open: () =>
      Promise.resolve({
        sharding: {
          shards: databases.urls.map((url) => ({ url })),
          migrations: [],
          connectTimeoutMs: 20_000,
          ...sharding,
        },
        events: [noted],
        kafka: brokers ? { brokers } : undefined,
        close: () => Promise.resolve(),
      }),
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
  });
  return { code, out, err };
}

describe('rookery capacity', () => {
  it("holds replicas against the limit that the shards' server has", async () => {
    const { code, out } = await call(['--json', '--replicas', '1', '--memory', '600'], { poolMax: 3 });
    const { connections } = JSON.parse(out) as CapacityPlan;
    expect(connections).toEqual([
      {
        server: new URL(databases.urls[0]!).host,
        shards: ['s1', 's2'],
        needed: 2 * (2 * 4 + 4),
        available: expect.any(Number) as number,
        asked: true,
      },
    ]);
    expect(code).toBe(connections[0]!.needed > connections[0]!.available ? 1 : 0);
  });

  it('says what does not fit, and ends with 1', async () => {
    const { code, out, err } = await call(
      ['--replicas', '5', '--max-connections', '60', '--memory', '300'],
      {},
      ['nowhere:1'],
    );
    expect({ code, err }).toEqual({ code: 1, err: '' });
    expect(out).toMatch(/^127\.0\.0\.1:\d+ +s1, s2 +140 +57$/m);
    expect(out).toMatch(/^! .* takes 57 connections, and 140 may be wanted .*POOL_MAX=3 fits/m);
    expect(out).toMatch(/^! there are 2 partitions of note for 5 replicas: 3 replicas have none/m);
    expect(out).toMatch(/^! a replica may take 395 MiB, and has 300/m);
  });

  it('says that all of it fits', async () => {
    const { code, out } = await call(['--max-connections', '500']);
    expect(code).toBe(0);
    expect(out).toMatch(/\n✓ all of it fits\n$/);
  });

  it("goes by PostgreSQL's defaults where a shard does not answer, and says so", async () => {
    const shards = [{ url: databases.urls[0]! }, { url: NOWHERE }];
    const { out } = await call([], { shards });
    expect(out).toMatch(/^127\.0\.0\.1:1 +s2 +48 +97 by default$/m);
  });

  it('takes whole numbers', async () => {
    expect(await call(['--replicas', 'many'])).toMatchObject({
      code: 2,
      err: 'rookery: --replicas takes a whole number from 1 on\n',
    });
  });

  it('is in the list of commands under its one word', async () => {
    let out = '';
    const options = {
      summary: 'spec',
      version: '0',
      groups: {},
      commands: [capacity],
      open: () => Promise.reject(new Error('no')),
    };
    await runCli(['--help'], { ...options, stdout: { write: (text) => (out += text) } });
    expect(out).toMatch(/^ {2}capacity +compute connections/m);
  });
});

import { createHash } from 'node:crypto';
import pg from 'pg';
import { checksumOf } from '../migrations/migration.js';
import { Migrator } from '../migrations/migrator.js';
import { frameworkMigrations } from '../schema/framework-migrations.js';
import { Shards, type ShardsInternals } from '../shards.js';
import type { ShardingOptions } from '../sharding.options.js';

/** What gives fresh databases: `testDatabases` of `@rookery/devstack/testing`, or anything like it. */
export type DatabaseProvider = (options: {
  readonly count: number;
  readonly template: { readonly name: string; readonly prepare: (urls: string[]) => Promise<void> };
}) => Promise<{ readonly urls: string[]; readonly drop: () => Promise<void> }>;

export interface TestShardsOptions extends Omit<ShardingOptions, 'shards'> {
  /** Where the databases come from. */
  readonly databases: DatabaseProvider;
  /** @default 2 */
  readonly count?: number;
  /** Changes the addresses the shards are reached under, e.g. to put a link between. @default as they are */
  readonly through?: (url: string, position: number) => string | Promise<string>;
}

export interface TestShards {
  /** Started. */
  readonly shards: Shards;
  /** The databases themselves, whatever `through` made of them. */
  readonly urls: readonly string[];
  readonly options: ShardingOptions;
  /** One more replica on the same databases, started. */
  another(options?: Partial<ShardingOptions>, internals?: ShardsInternals): Promise<Shards>;
  /** A bare connection to one of the databases, beside the library. */
  client(position?: number): Promise<pg.Client>;
  /** Closes everything this gave, then removes the databases. */
  close(): Promise<void>;
}

/**
 * A cluster for one test file: fresh databases, cloned from a template on which the migrations ran once per test run.
 */
export async function testShards(options: TestShardsOptions): Promise<TestShards> {
  const { databases, count = 2, through = (url: string) => url, ...rest } = options;
  const migrations = rest.migrations ?? [];
  const { urls, drop } = await databases({
    count,
    template: {
      name: `sharding_${digestOf([...frameworkMigrations, ...migrations].map(checksumOf))}`,
      prepare: async (fresh) => {
        await new Migrator({ shards: fresh.map((url) => ({ url })), migrations }).up();
      },
    },
  });
  const opened: Shards[] = [];
  const clients: pg.Client[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((shards) => shards.close()));
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
    await drop();
  };
  try {
    const links = await Promise.all(urls.map(async (url, position) => through(url, position)));
    const given: ShardingOptions = { ...rest, shards: links.map((url) => ({ url })) };
    const another: TestShards['another'] = async (more = {}, internals = {}) => {
      const shards = new Shards({ ...given, ...more }, internals);
      opened.push(shards);
      await shards.start();
      return shards;
    };
    return {
      shards: await another(),
      urls,
      options: given,
      another,
      client: async (position = 0) => {
        const client = new pg.Client({ connectionString: urls[position], application_name: 'test' });
        client.on('error', () => undefined);
        clients.push(client);
        await client.connect();
        return client;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function digestOf(parts: readonly string[]): string {
  return createHash('sha256').update(parts.join()).digest('hex').slice(0, 12);
}

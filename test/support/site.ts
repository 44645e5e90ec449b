import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testDatabases, type TestDatabases } from '@rookery/devstack/testing';
import { ensureTopics } from '@rookery/events';
import { Migrator } from '@rookery/sharding';
import { events, kafkaOf } from '../../src/app.module.js';
import { loadConfig } from '../../src/config/index.js';
import { migrations } from '../../src/schema.js';
import { startSite, type Site } from '../../src/site.js';

/** A Conduit that answers over HTTP, wherever it runs. */
export interface RunningSite {
  /** Where the operations are, without a slash at the end: `http://127.0.0.1:3000/api`. */
  readonly baseUrl: string;
  /** The same of each replica, this one first. */
  readonly baseUrls: readonly string[];
  /** The operations port; undefined when the suite was pointed at a site and not told. */
  readonly opsUrl: string | undefined;
  /** PostgreSQL URLs of its shards, in order; undefined when the suite was pointed at a site and not told. */
  readonly shardUrls: readonly string[] | undefined;
  readonly close: () => Promise<void>;
}

export interface SiteOptions {
  /** Shards the site is spread over, 1 to 4. @default 2 */
  readonly shards?: number;
  /** What the site is given in place of its databases' URLs, for suites that listen in between. @default the databases */
  readonly through?: (shardUrls: readonly string[]) => Promise<readonly string[]>;
  /** Variables beyond those every booted site gets. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Brokers by which its events travel, on topics of its own there; asked when it boots. @default they are read from the logs */
  readonly kafka?: () => readonly string[];
  /** The Redis by which its replicas share a cache; asked when it boots. @default only a replica that is alone caches */
  readonly redis?: (replica: number) => string;
  /** How many processes it would be: here, sites in this one, on the same databases. @default 1 */
  readonly replicas?: number;
  /** Runs once it answers, before anybody else asks it for anything. */
  readonly whenBooted?: (site: RunningSite) => Promise<void>;
}

/**
 * Machines that run tests do other things as well: what is shown at once is shown late there, where it is not waited for.
 * Suites that are about the bound itself set another one.
 */
export const PATIENCE_MS = '8000';
/** No answer waits beyond its deadline, so that leaves room for it; a name is reserved for longer than any request takes. */
const DEADLINE_MS = '12000';

/** Whether no answer of the site may say that groups are late. One that runs elsewhere has a bound of its own. */
export function isPatient({ environment }: SiteOptions): boolean {
  const bound = environment?.['READ_AFTER_WRITE_MS'] ?? PATIENCE_MS;
  return bound === PATIENCE_MS && process.env['CONDUIT_URL'] === undefined;
}

/**
 * The site of one spec file. Booted on databases of its own, unless the environment names one that runs:
 * `CONDUIT_URL` (with its `/api`), and for what looks behind HTTP `CONDUIT_OPS_URL` and `CONDUIT_SHARD_URLS`.
 */
export async function startConduit(options: SiteOptions = {}): Promise<RunningSite> {
  const { CONDUIT_URL, CONDUIT_OPS_URL, CONDUIT_SHARD_URLS } = process.env;
  if (CONDUIT_URL === undefined) {
    return bootSite({
      ...options,
      environment: {
        READ_AFTER_WRITE_MS: PATIENCE_MS,
        REQUEST_DEADLINE_MS: DEADLINE_MS,
        ...options.environment,
      },
    });
  }
  if (Object.values(options).some((option) => option !== undefined)) {
    throw new Error('this suite decides how its site is made, so it boots its own: unset CONDUIT_URL');
  }
  return {
    baseUrl: CONDUIT_URL.replace(/\/+$/, ''),
    baseUrls: [CONDUIT_URL.replace(/\/+$/, '')],
    opsUrl: CONDUIT_OPS_URL,
    shardUrls: CONDUIT_SHARD_URLS?.split(','),
    close: () => Promise.resolve(),
  };
}

/** The databases behind a site. @throws when the suite was pointed at a site without them */
export function shardUrlsOf(site: RunningSite): readonly string[] {
  if (site.shardUrls === undefined) {
    throw new Error(
      'this suite looks into the databases: name them in CONDUIT_SHARD_URLS beside CONDUIT_URL',
    );
  }
  return site.shardUrls;
}

/** Empty databases of a site's shards, in its schema. */
export function conduitDatabases(shards: number): Promise<TestDatabases> {
  return testDatabases({
    count: shards,
    template: {
      // The migrations make the template: others need another one.
      name: `conduit_${createHash('sha256').update(JSON.stringify(migrations)).digest('hex').slice(0, 16)}`,
      prepare: async (urls) => {
        await new Migrator({ shards: urls.map((url) => ({ url })), migrations }).up();
      },
    },
  });
}

/** A site in this process, whose inside a suite may reach. */
export interface BootedSite extends RunningSite {
  readonly site: Site;
  readonly replicas: readonly Site[];
  readonly shardUrls: readonly string[];
}

export async function bootSite({
  shards = 2,
  through,
  environment = {},
  kafka,
  redis,
  replicas = 1,
  whenBooted,
}: SiteOptions = {}): Promise<BootedSite> {
  const databases = await conduitDatabases(shards);
  const dataDir = await mkdtemp(join(tmpdir(), 'conduit-test-'));
  const variables = {
    PORT: '0',
    DATA_DIR: dataDir,
    SHARD_URLS: ((await through?.(databases.urls)) ?? databases.urls).join(','),
    LOG_LEVEL: 'error',
    LOG_FORMAT: 'ecs',
    ...(kafka
      ? {
          KAFKA_BROKERS: kafka().join(','),
          KAFKA_TOPIC_PREFIX: `test-${randomBytes(5).toString('hex')}.`,
        }
      : {}),

    ...environment,
  };
  const namespace = `test-${randomBytes(5).toString('hex')}`;
  const configOf = (replica: number) => {
    const shared = redis ? { REDIS_URL: redis(replica), CACHE_NAMESPACE: namespace } : {};
    return loadConfig(
      { REPLICA_ID: replica === 1 ? 'test' : `test-${replica}`, ...shared, ...variables },
      false,
    );
  };
  const config = configOf(1);
  const travelling = kafkaOf(config);
  if (travelling) await ensureTopics(events, travelling, { create: true });
  const sites: Site[] = [];
  for (let replica = 1; replica <= replicas; replica++) {
    sites.push(
      await startSite({
        config: configOf(replica),
        operations: false,
        logTo: { write: (line) => process.stderr.write(line) },
      }),
    );
  }
  const site = sites[0]!;
  const booted: BootedSite = {
    site,
    replicas: sites,
    baseUrl: `${site.url}/api`,
    baseUrls: sites.map(({ url }) => `${url}/api`),
    opsUrl: undefined,
    shardUrls: databases.urls,
    close: async () => {
      try {
        await Promise.all(sites.map((one) => one.stop()));
      } finally {
        await rm(dataDir, { recursive: true, force: true });
        await databases.drop();
      }
    },
  };
  try {
    await whenBooted?.(booted);
  } catch (error) {
    await booted.close();
    throw error;
  }
  return booted;
}

import { createHash } from 'node:crypto';
import pg from 'pg';
import type { Actor } from './actor.js';
import type { RunningSite } from './site.js';

/** What a site has stored, as two values that change if anything of it does. */
export interface Footprint {
  /** Users, articles and all that belongs to them. */
  readonly rows: string;
  /** Names that are held, and by whom. */
  readonly names: string;
}

export interface Footprints {
  take(): Promise<Footprint>;
  close(): Promise<void>;
}

/** By the tables of every shard where the suite knows the databases, and by what `reader` is shown where it does not. */
export async function footprintsOf(site: RunningSite, reader: Actor): Promise<Footprints> {
  if (site.shardUrls === undefined) {
    return { take: () => shownTo(reader), close: () => Promise.resolve() };
  }
  const shards = await openShards(site.shardUrls);
  const statements = await Promise.all(shards.map(statementsFor));
  return {
    async take() {
      const parts = await Promise.all(
        shards.map(async (client, index) => {
          const { rows, names } = statements[index]!;
          return [await hashOf(client, rows), await hashOf(client, names)] as const;
        }),
      );
      return { rows: parts.map(([rows]) => rows).join(), names: parts.map(([, names]) => names).join() };
    },
    close: () => closeShards(shards),
  };
}

export async function openShards(urls: readonly string[]): Promise<pg.Client[]> {
  const clients = urls.map(
    (connectionString) => new pg.Client({ connectionString, application_name: 'conduit-suite' }),
  );
  await Promise.all(clients.map((client) => client.connect()));
  return clients;
}

export async function closeShards(clients: readonly pg.Client[]): Promise<void> {
  await Promise.all(clients.map((client) => client.end()));
}

/** Tables that hold Conduit's rows; those of the framework are told by their prefix. */
export async function conduitTables(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables
     WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT LIKE 'rookery\\_%' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

async function statementsFor(client: pg.Client): Promise<{ rows: string; names: string }> {
  const tables = await conduitTables(client);
  if (tables.length === 0) throw new Error('a shard without a table of Conduit: are these its databases?');
  return { rows: hashing(tables), names: hashing(['rookery_directory', 'rookery_claim']) };
}

/** Rows of a test are few, so all of them are read. */
function hashing(tables: readonly string[]): string {
  return tables
    .map(
      (table) =>
        `SELECT '${table}' AS name, md5(string_agg(t::text, ',' ORDER BY t::text)) AS hash FROM "${table}" t`,
    )
    .join(' UNION ALL ');
}

async function hashOf(client: pg.Client, statement: string): Promise<string> {
  const { rows } = await client.query<{ name: string; hash: string | null }>(statement);
  return JSON.stringify(rows.map(({ name, hash }) => [name, hash]));
}

async function shownTo(reader: Actor): Promise<Footprint> {
  const { username } = (await reader.me()).is(200).user;
  const articles = (await reader.articles({ author: username, limit: 100 })).is(200);
  const seen = [
    (await reader.profile(username)).is(200).text,
    articles.text,
    (await reader.tags()).is(200).text,
    ...(await Promise.all(articles.slugs.slice(0, 3).map(async (slug) => (await reader.article(slug)).text))),
    ...(await Promise.all(
      articles.slugs.slice(0, 3).map(async (slug) => (await reader.comments(slug)).text),
    )),
  ];
  return { rows: createHash('sha256').update(seen.join('\n')).digest('hex'), names: '' };
}

import type pg from 'pg';
import { closeShards, conduitTables, openShards } from './footprint.js';

/** A row of a shard, as PostgreSQL writes it. */
interface Row {
  readonly table: string;
  readonly row: string;
}

/** Rows of any of Conduit's tables, on any shard, that have `text` anywhere in them. */
export async function rowsWith(clients: readonly pg.Client[], text: string): Promise<Row[]> {
  const found: Row[] = [];
  for (const client of clients) {
    for (const table of await conduitTables(client)) {
      const { rows } = await client.query<{ row: string }>(
        `SELECT t::text AS row FROM "${table}" t WHERE position($1 in t::text) > 0`,
        [text],
      );
      found.push(...rows.map(({ row }) => ({ table, row })));
    }
  }
  return found;
}

/** The id of the one article that has this slug. */
export async function idOfArticle(clients: readonly pg.Client[], slug: string): Promise<string> {
  const ids: string[] = [];
  for (const client of clients) {
    const { rows } = await client.query<{ id: string }>('SELECT id FROM article WHERE slug = $1', [slug]);
    ids.push(...rows.map(({ id }) => id));
  }
  if (ids.length !== 1) throw new Error(`${ids.length} articles have the slug ${slug}`);
  return ids[0]!;
}

/** Every count the site keeps, against what it counts; each row tells a count that is wrong. */
const MISCOUNTS: Readonly<Record<string, string>> = {
  'favorites of an article': `
    SELECT a.id::text AS what, a.favorites_count AS kept, count(f.user_id)::int AS counted
    FROM article a LEFT JOIN favorite f ON f.article_id = a.id
    GROUP BY a.id HAVING a.favorites_count <> count(f.user_id)`,
  'articles of the shard': `
    SELECT '' AS what, kept.articles AS kept, counted.articles AS counted
    FROM (SELECT coalesce(sum(articles), 0)::int AS articles FROM article_total) kept,
      (SELECT count(*)::int AS articles FROM article) counted
    WHERE kept.articles <> counted.articles`,
  'articles of an author': `
    SELECT coalesce(c.author_id, a.author_id)::text AS what, coalesce(c.articles, 0) AS kept,
      coalesce(a.articles, 0)::int AS counted
    FROM author_stat c
    FULL JOIN (SELECT author_id, count(*) AS articles FROM article GROUP BY 1) a ON a.author_id = c.author_id
    WHERE coalesce(c.articles, 0) <> coalesce(a.articles, 0)`,
  'articles of a tag': `
    SELECT coalesce(c.tag, a.tag) AS what, coalesce(c.articles, 0) AS kept, coalesce(a.articles, 0) AS counted
    FROM (SELECT tag, sum(articles)::int AS articles FROM tag_total GROUP BY tag) c
    FULL JOIN (SELECT tag, count(*)::int AS articles FROM article_tag GROUP BY tag) a ON a.tag = c.tag
    WHERE coalesce(c.articles, 0) <> coalesce(a.articles, 0)`,
  'tags of an article beside it': `
    SELECT a.id::text AS what, cardinality(a.tag_list) AS kept, count(t.tag)::int AS counted
    FROM article a LEFT JOIN article_tag t ON t.article_id = a.id
    GROUP BY a.id HAVING cardinality(a.tag_list) <> count(t.tag)`,
};

/** Rows that belong to an article which is not there. */
const ORPHANS = ['article_tag', 'favorite', 'comment'];

/**
 * Whatever does not add up on any shard: counts that are not those of the rows, and rows whose article is gone. Knows the
 * site's tables, so it looks behind its back; empty if all is well.
 */
export async function discrepancies(shardUrls: readonly string[]): Promise<string[]> {
  const clients = await openShards(shardUrls);
  try {
    const found: string[] = [];
    for (const [shard, client] of clients.entries()) {
      for (const [count, statement] of Object.entries(MISCOUNTS)) {
        const { rows } = await client.query<{ what: string; kept: number; counted: number }>(statement);
        found.push(
          ...rows.map(
            ({ what, kept, counted }) => `shard ${shard}: ${count} ${what}: ${kept} kept, ${counted} there`,
          ),
        );
      }
      for (const table of ORPHANS) {
        const { rows } = await client.query<{ article_id: string }>(
          `SELECT article_id FROM ${table} t WHERE NOT EXISTS (SELECT FROM article WHERE id = t.article_id)`,
        );
        found.push(...rows.map((row) => `shard ${shard}: ${table} of ${row.article_id}, which is gone`));
      }
    }
    return [...found, ...(await misnamed(clients))];
  } finally {
    await closeShards(clients);
  }
}

/** Events that no group has applied yet, wherever its effect is: every event of the site has a handler. */
export async function unhandled(shardUrls: readonly string[]): Promise<string[]> {
  const clients = await openShards(shardUrls);
  const ids = async (statement: string): Promise<string[]> =>
    (await Promise.all(clients.map((client) => client.query<{ id: string }>(statement)))).flatMap(
      ({ rows }) => rows.map(({ id }) => id),
    );
  try {
    return without(
      await ids('SELECT id::text FROM rookery_event'),
      await ids('SELECT event_id::text AS id FROM rookery_inbox'),
    );
  } finally {
    await closeShards(clients);
  }
}

/** Each read model: its rows as text, what they should be, and by which rows of other shards. */
const READ_MODELS: Readonly<Record<string, { readonly rows: string; readonly sources: string }>> = {
  favorited: {
    rows: `SELECT user_id || ' has ' || article_id AS line FROM favorited`,
    sources: `SELECT user_id || ' has ' || article_id AS line FROM favorite`,
  },
  followers: {
    rows: `SELECT author_id || ' by ' || follower_id AS line FROM follower`,
    sources: `SELECT followee_id || ' by ' || follower_id AS line FROM follow`,
  },
};

/**
 * What differs between the read models and what they are made of, over all shards, with their own counts; empty once every
 * event has been handled. A feed may have an author's articles, or a line that says to ask for them: one of the two.
 */
export async function readModelFaults(shardUrls: readonly string[]): Promise<string[]> {
  const clients = await openShards(shardUrls);
  const all = async <R extends pg.QueryResultRow>(statement: string): Promise<R[]> =>
    (await Promise.all(clients.map((client) => client.query<R>(statement)))).flatMap(({ rows }) => rows);
  const lines = async (statement: string) => (await all<{ line: string }>(statement)).map(({ line }) => line);
  try {
    const faults: string[] = [];
    const differ = (model: string, there: readonly string[], due: readonly string[]): void => {
      faults.push(
        ...without(due, there).map((line) => `${model}: ${line} is missing`),
        ...without(there, due).map((line) => `${model}: ${line} is too much`),
      );
    };
    for (const [model, { rows, sources }] of Object.entries(READ_MODELS)) {
      differ(model, await lines(rows), await lines(sources));
    }
    const tags = new Map<string, number>();
    for (const { tag } of await all<{ tag: string }>('SELECT tag FROM article_tag')) {
      tags.set(tag, (tags.get(tag) ?? 0) + 1);
    }
    differ(
      'tags',
      await lines(`SELECT tag || ' ' || articles AS line FROM tag_stat`),
      [...tags].map(([tag, articles]) => `${tag} ${articles}`),
    );
    const written = new Map<string, string[]>();
    for (const { author, id } of await all<{ author: string; id: string }>(
      'SELECT author_id AS author, id FROM article',
    )) {
      written.set(author, [...(written.get(author) ?? []), id]);
    }
    const pulled = new Set(await lines('SELECT author_id AS line FROM author_reach WHERE pulled'));
    const follows = await all<{ follower: string; author: string }>(
      'SELECT follower_id AS follower, followee_id AS author FROM follow',
    );
    differ(
      'authors to ask',
      await lines(`SELECT user_id || ' of ' || author_id AS line FROM feed_pull`),
      follows
        .filter(({ author }) => pulled.has(author))
        .map(({ follower, author }) => `${follower} of ${author}`),
    );
    differ(
      'feed',
      await lines(`SELECT user_id || ' has ' || article_id AS line FROM feed_entry`),
      follows
        .filter(({ author }) => !pulled.has(author))
        .flatMap(({ follower, author }) =>
          (written.get(author) ?? []).map((article) => `${follower} has ${article}`),
        ),
    );
    for (const [stat, table] of [
      ['favorited_stat', 'favorited'],
      ['feed_stat', 'feed_entry'],
    ] as const) {
      const wrong = await lines(`
        SELECT coalesce(s.user_id, r.user_id) || ' ' || coalesce(s.articles, 0) || ' for ' || coalesce(r.n, 0) AS line
        FROM ${stat} s FULL JOIN (SELECT user_id, count(*) AS n FROM ${table} GROUP BY 1) r USING (user_id)
        WHERE coalesce(s.articles, 0) <> coalesce(r.n, 0)`);
      faults.push(...wrong.map((line) => `${stat}: ${line}`));
    }
    const reach = await lines(`
      SELECT author_id || ' ' || r.followers AS line FROM author_reach r
      WHERE r.followers <> (SELECT count(*) FROM follower f WHERE f.author_id = r.author_id)`);
    return [...faults, ...reach.map((line) => `author_reach: ${line}`)];
  } finally {
    await closeShards(clients);
  }
}

interface Name {
  readonly kind: string;
  readonly value: string;
  readonly owner: string;
}

/** Names that users have and the directory does not give them, or the other way round: both lie on any shard. */
async function misnamed(clients: readonly pg.Client[]): Promise<string[]> {
  const had = await namesOf(
    clients,
    `SELECT 'username' AS kind, username AS value, id::text AS owner FROM users
     UNION ALL SELECT 'email', lower(email), id::text FROM users`,
  );
  const held = await namesOf(clients, 'SELECT kind, value, owner::text FROM rookery_directory');
  const active = await namesOf(
    clients,
    `SELECT kind, value, owner::text FROM rookery_directory WHERE state = 'active'`,
  );
  return [
    ...without(had, held).map((name) => `${name} is not in the directory`),
    ...without(active, had).map((name) => `${name} is in the directory alone`),
  ];
}

async function namesOf(clients: readonly pg.Client[], statement: string): Promise<string[]> {
  const answers = await Promise.all(clients.map((client) => client.query<Name>(statement)));
  return answers.flatMap(({ rows }) => rows.map(({ kind, value, owner }) => `${kind} ${value} of ${owner}`));
}

function without(all: readonly string[], some: readonly string[]): string[] {
  const known = new Set(some);
  return all.filter((one) => !known.has(one));
}

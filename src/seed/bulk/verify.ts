import { prepared, type Shards } from '@rookery/sharding';

/** What a recount of all rows says, beside what the counters say. */
export interface Recount {
  readonly users: number;
  readonly articles: number;
  readonly tags: number;
  readonly favorites: number;
  readonly comments: number;
  readonly follows: number;
  /** Counters that are wrong, named: empty if all is as it should be. */
  readonly faults: readonly string[];
  /** Read models that are not what they are made of, named. A run that ended early has not filled them yet. */
  readonly outdated: readonly string[];
}

interface Totals {
  readonly users: number;
  readonly articles: number;
  readonly tags: number;
  readonly favorites: number;
  readonly comments: number;
  readonly follows: number;
}

const totals = prepared(
  'seed.totals',
  `SELECT (SELECT count(*) FROM users)::int AS users, (SELECT count(*) FROM article)::int AS articles,
     (SELECT count(*) FROM article_tag)::int AS tags, (SELECT count(*) FROM favorite)::int AS favorites,
     (SELECT count(*) FROM comment)::int AS comments, (SELECT count(*) FROM follow)::int AS follows`,
);

/** Each gives how many counters differ from a recount of what they count; a missing one counts as 0. */
const CHECKS: Readonly<Record<string, string>> = {
  articles: `
    SELECT count(*)::int AS wrong FROM
      (SELECT coalesce(sum(articles), 0) AS n FROM article_total) c, (SELECT count(*) AS n FROM article) r
    WHERE c.n <> r.n`,
  'articles per author': `
    SELECT count(*)::int AS wrong FROM author_stat c
    FULL JOIN (SELECT author_id, count(*) AS n FROM article GROUP BY 1) r USING (author_id)
    WHERE coalesce(c.articles, 0) <> coalesce(r.n, 0)`,
  'articles per tag': `
    SELECT count(*)::int AS wrong FROM (SELECT tag, sum(articles) AS n FROM tag_total GROUP BY 1) c
    FULL JOIN (SELECT tag, count(*) AS n FROM article_tag GROUP BY 1) r USING (tag)
    WHERE coalesce(c.n, 0) <> coalesce(r.n, 0)`,
  'tags per article': `
    SELECT count(*)::int AS wrong FROM article a
    FULL JOIN (SELECT article_id AS id, count(*) AS n FROM article_tag GROUP BY 1) r USING (id)
    WHERE coalesce(cardinality(a.tag_list), 0) <> coalesce(r.n, 0)`,
  'favorites per article': `
    SELECT count(*)::int AS wrong FROM article a
    FULL JOIN (SELECT article_id AS id, count(*) AS n FROM favorite GROUP BY 1) r USING (id)
    WHERE coalesce(a.favorites_count, 0) <> coalesce(r.n, 0)`,
  'numbers of comments': `
    SELECT count(*)::int AS wrong FROM (SELECT article_id, max(number) AS last FROM comment GROUP BY 1) r
    LEFT JOIN article a ON a.id = r.article_id WHERE coalesce(a.last_comment, -1) < r.last`,
  'favorites per list': `
    SELECT count(*)::int AS wrong FROM favorited_stat c
    FULL JOIN (SELECT user_id, count(*) AS n FROM favorited GROUP BY 1) r USING (user_id)
    WHERE coalesce(c.articles, 0) <> coalesce(r.n, 0)`,
  'articles per feed': `
    SELECT count(*)::int AS wrong FROM feed_stat c
    FULL JOIN (SELECT user_id, count(*) AS n FROM feed_entry GROUP BY 1) r USING (user_id)
    WHERE coalesce(c.articles, 0) <> coalesce(r.n, 0)`,
  'followers per author': `
    SELECT count(*)::int AS wrong FROM author_reach c
    FULL JOIN (SELECT author_id, count(*) AS n FROM follower GROUP BY 1) r USING (author_id)
    WHERE coalesce(c.followers, 0) <> coalesce(r.n, 0)`,
  'articles without their author': `
    SELECT count(*)::int AS wrong FROM article a LEFT JOIN users u ON u.id = a.author_id WHERE u.id IS NULL`,
};

/**
 * Read models lie on other shards than what they are made of: each side is told as a number of rows and a sum of hashes, over
 * all shards, which differ when the sets of rows do.
 */
const DIGESTS: Readonly<Record<string, readonly [made: string, of: string]>> = {
  'lists of favorites': [
    digest('favorited', 'user_id', 'article_id'),
    digest('favorite', 'user_id', 'article_id'),
  ],
  followers: [digest('follower', 'author_id', 'follower_id'), digest('follow', 'followee_id', 'follower_id')],
  feeds: [
    digest('feed_entry', 'user_id', 'article_id'),
    digest(
      `(SELECT f.follower_id, a.id FROM author_reach r JOIN follower f USING (author_id) JOIN article a USING (author_id)
        WHERE NOT r.pulled) due`,
      'follower_id',
      'id',
    ),
  ],
  'authors that feeds ask': [
    digest('feed_pull', 'user_id', 'author_id'),
    digest(
      '(SELECT f.follower_id, f.author_id FROM author_reach r JOIN follower f USING (author_id) WHERE r.pulled) due',
      'follower_id',
      'author_id',
    ),
  ],
  'counts of tags': [
    `SELECT count(*)::text AS n, coalesce(sum(hashtextextended(tag, 0)::numeric * articles), 0)::text AS hash FROM tag_stat`,
    `SELECT NULL AS n, coalesce(sum(hashtextextended(tag, 0)::numeric), 0)::text AS hash FROM article_tag`,
  ],
};

function digest(rows: string, one: string, other: string): string {
  return `SELECT count(*)::text AS n,
    coalesce(sum(uuid_hash_extended(${one}, uuid_hash_extended(${other}, 0))::numeric), 0)::text AS hash FROM ${rows}`;
}

async function differs(shards: Shards, [made, of]: readonly [string, string]): Promise<boolean> {
  const [there, due] = await Promise.all(
    [made, of].map(async (text) => {
      const answers = (await shards.scatter<{ n: string | null; hash: string }>({ text })).flat();
      return {
        n: answers.every(({ n }) => n !== null) ? answers.reduce((sum, { n }) => sum + BigInt(n!), 0n) : null,
        hash: answers.reduce((sum, { hash }) => sum + BigInt(hash), 0n),
      };
    }),
  );
  return there!.hash !== due!.hash || (due!.n !== null && there!.n !== due!.n);
}

/** Counts every row of every shard again and compares. Of a site in use, take what it finds with care. */
export async function recount(shards: Shards): Promise<Recount> {
  const found = await shards.scatter<Totals>(totals());
  const faults = await Promise.all(
    Object.entries(CHECKS).map(async ([name, text]) => {
      const answers = await shards.scatter<{ wrong: number }>({ text });
      const wrong = answers.reduce((sum, [row]) => sum + row!.wrong, 0);
      return wrong === 0 ? undefined : `${name}: ${wrong} wrong`;
    }),
  );
  const models = await Promise.all(
    Object.entries(DIGESTS).map(async ([name, sides]) => ((await differs(shards, sides)) ? name : undefined)),
  );
  const sum = (of: (row: Totals) => number): number => found.reduce((total, [row]) => total + of(row!), 0);
  return {
    users: sum((row) => row.users),
    articles: sum((row) => row.articles),
    tags: sum((row) => row.tags),
    favorites: sum((row) => row.favorites),
    comments: sum((row) => row.comments),
    follows: sum((row) => row.follows),
    faults: faults.filter((fault) => fault !== undefined),
    outdated: models.filter((model) => model !== undefined),
  };
}

/** The planner must know of the rows: a list would be read by another index, or `shards status` show nothing. */
export async function analyze(shards: Shards): Promise<void> {
  await shards.scatter({
    text:
      'ANALYZE users, follow, article, article_tag, article_total, tag_total, author_stat, favorite, comment, ' +
      'favorited, favorited_stat, tag_stat, follower, author_reach, feed_entry, feed_pull, feed_stat',
  });
}

import { prepared } from '@rookery/sharding';

/**
 * Articles with all that belongs to them, in one statement, so in one transaction: who was interrupted finds a batch whole or
 * not at all. What is there already is left as it is, with all that belongs to it. The tables' own triggers fence the slots
 * and keep the counts of articles by tag, author and shard.
 *
 * $1 id · $2 author · $3 slug · $4 title · $5 description · $6 body · $7 tags as array literals · $8 ms since 1970 ·
 * $9 favorites · $10 comments · $11 article, $12 user of each favorite · $13 article, $14 number, $15 author, $16 body of
 * each comment
 */
export const addArticles = prepared(
  'seed.add-articles',
  `WITH made AS (
     INSERT INTO article (id, author_id, slug, title, description, body, tag_list, favorites_count, last_comment,
       created_at, updated_at)
     SELECT id, author, slug, title, description, body, tags::text[], favorites, comments,
       to_timestamp(at / 1000), to_timestamp(at / 1000)
     FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::float8[],
       $9::int[], $10::int[]) AS given (id, author, slug, title, description, body, tags, at, favorites, comments)
     ON CONFLICT DO NOTHING
     RETURNING id, tag_list, created_at
   ),
   tagged AS (
     INSERT INTO article_tag (tag, article_id) SELECT tag, id FROM made, unnest(tag_list) AS tag ORDER BY tag, id
   ),
   liked AS (
     INSERT INTO favorite (article_id, user_id, created_at)
     SELECT article, fan, created_at + interval '1 hour'
     FROM unnest($11::uuid[], $12::uuid[]) AS given (article, fan) JOIN made ON made.id = article
   ),
   remarked AS (
     INSERT INTO comment (article_id, number, author_id, body, created_at, updated_at)
     SELECT article, number, author, body, at, at
     FROM unnest($13::uuid[], $14::int[], $15::uuid[], $16::text[]) AS given (article, number, author, body)
       JOIN made ON made.id = article, LATERAL (SELECT created_at + number * interval '1 day' AS at) AS moment
   )
   SELECT count(*)::int AS added FROM made`,
);

export const countKnown = prepared(
  'seed.count-known',
  'SELECT count(*)::int AS known FROM article WHERE id = ANY($1::uuid[])',
);

export const anyArticle = prepared('seed.any-article', 'SELECT EXISTS (SELECT FROM article) AS there');

/** $1 id · $2 username · $3 email · $4 password hash for all · $5 ms since 1970 for all */
export const addUsers = prepared(
  'seed.add-users',
  `INSERT INTO users (id, username, email, password_hash, created_at, updated_at)
   SELECT id, username, email, $4, to_timestamp($5::float8 / 1000), to_timestamp($5::float8 / 1000)
   FROM unnest($1::uuid[], $2::text[], $3::text[]) AS given (id, username, email)
   ON CONFLICT DO NOTHING`,
);

/** $1 follower · $2 followed · $3 ms since 1970 for all */
export const addFollows = prepared(
  'seed.add-follows',
  `INSERT INTO follow (follower_id, followee_id, created_at)
   SELECT follower, followed, to_timestamp($3::float8 / 1000)
   FROM unnest($1::uuid[], $2::uuid[]) AS given (follower, followed)
   ON CONFLICT DO NOTHING`,
);

/** $1 kind · $2 value */
export const holders = prepared(
  'seed.holders',
  `SELECT kind, value, owner FROM rookery_directory
   WHERE (kind, value) IN (SELECT * FROM unnest($1::text[], $2::text[]))`,
);

/** Held for good: nothing is left to confirm. $1 kind · $2 value · $3 owner */
export const hold = prepared(
  'seed.hold',
  `INSERT INTO rookery_directory (kind, value, owner, operation, state, lease_until)
   SELECT kind, value, owner, owner, 'active', now()
   FROM unnest($1::text[], $2::text[], $3::uuid[]) AS given (kind, value, owner)
   ON CONFLICT DO NOTHING`,
);

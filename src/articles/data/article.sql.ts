import { prepared } from '@rookery/sharding';

/** What ends the JSON of an article that `card` began; the caller adds `true}}` or `false}}` for `following`. */
const tail = (favorited: string): string =>
  `',"favorited":' || ${favorited} || ',"favoritesCount":' || a.favorites_count || ',"author":' || u.card || ',"following":'`;

/** [id, author_id, json up to `following`]; with the viewer's shard at hand also whether the author is followed. */
const single = (withBody: string, from: string): string => `
  SELECT a.author_id, a.card || ${withBody} || ${tail('(f.user_id IS NOT NULL)::text')}
  ${from}
  JOIN users u ON u.id = a.author_id
  LEFT JOIN favorite f ON f.article_id = a.id AND f.user_id = $2`;

const body = `',"body":' || conduit_json(a.body)`;

export type SingleRow = [authorId: string, json: string];

/** One article by its whole slug, with the viewer's own favorite; `$2` is null without a viewer. */
export const bySlug = prepared(
  'articles.by-slug',
  `${single(body, 'FROM article a')} WHERE a.slug = $1`,
  'array',
);

/** The same with `following`, where viewer and article are on one shard. */
export const bySlugFollowed = prepared(
  'articles.by-slug-followed',
  `SELECT a.author_id, a.card || ${body} || ${tail('(f.user_id IS NOT NULL)::text')} || (w.followee_id IS NOT NULL)::text || '}}'
   FROM article a
   JOIN users u ON u.id = a.author_id
   LEFT JOIN favorite f ON f.article_id = a.id AND f.user_id = $2
   LEFT JOIN follow w ON w.follower_id = $2 AND w.followee_id = a.author_id
   WHERE a.slug = $1`,
  'array',
);

/**
 * A new article and its tags, in one statement; nothing is written for an author who does not exist.
 * $1 id · $2 author · $3 slug · $4 title · $5 description · $6 body · $7 tags · $8 time
 */
export const create = prepared(
  'articles.create',
  `WITH author AS (SELECT id, card FROM users WHERE id = $2),
   made AS (
     INSERT INTO article (id, author_id, slug, title, description, body, tag_list, created_at, updated_at)
     SELECT $1, id, $3, $4, $5, $6, $7::text[], $8::timestamptz, $8::timestamptz FROM author
     RETURNING card
   ),
   tagged AS (INSERT INTO article_tag (tag, article_id) SELECT unnest($7::text[]), $1 FROM made)
   SELECT made.card, author.card FROM made, author`,
  'array',
);

/** The same without tags: a table fewer to look at. $7 time */
export const createUntagged = prepared(
  'articles.create-untagged',
  `WITH author AS (SELECT id, card FROM users WHERE id = $2),
   made AS (
     INSERT INTO article (id, author_id, slug, title, description, body, tag_list, created_at, updated_at)
     SELECT $1, id, $3, $4, $5, $6, '{}', $7::timestamptz, $7::timestamptz FROM author
     RETURNING card
   )
   SELECT made.card, author.card FROM made, author`,
  'array',
);

export interface LockedArticle {
  readonly id: string;
  readonly authorId: string;
  readonly title: string;
  readonly slug: string;
  readonly description: string;
  readonly body: string;
  readonly tagList: string[];
}

/** Whoever changes what belongs to an article locks the article first: a delete then leaves nothing behind. */
export const lock = prepared(
  'articles.lock',
  `SELECT id, author_id AS "authorId", title, slug, description, body, tag_list AS "tagList"
   FROM article WHERE slug = $1 FOR NO KEY UPDATE`,
);

export const lockForDelete = prepared(
  'articles.lock-for-delete',
  'SELECT id, author_id AS "authorId", tag_list AS "tagList" FROM article WHERE slug = $1 FOR UPDATE',
);

export const update = prepared(
  'articles.update',
  `UPDATE article SET slug = $2, title = $3, description = $4, body = $5, tag_list = $6,
     updated_at = greatest(now(), updated_at + interval '1 millisecond') WHERE id = $1`,
);

/** $1 article · $2 tags that come */
export const addTags = prepared(
  'articles.add-tags',
  'INSERT INTO article_tag (tag, article_id) SELECT unnest($2::text[]), $1',
);

/** $1 article · $2 tags that go */
export const dropTags = prepared(
  'articles.drop-tags',
  'DELETE FROM article_tag WHERE article_id = $1 AND tag = ANY($2::text[])',
);

/** Who had favorited it is kept until their lists have confirmed that they know. $1 article */
export const remove = prepared(
  'articles.remove',
  `WITH liked AS (DELETE FROM favorite WHERE article_id = $1 RETURNING user_id),
   kept AS (INSERT INTO favorite_of_deleted (article_id, user_id) SELECT $1, user_id FROM liked)
   DELETE FROM article WHERE id = $1`,
);

/** A page of them. $1 article · $2 user after whom they are · $3 most */
export const favoritesOfDeleted = prepared(
  'articles.favorites-of-deleted',
  `SELECT user_id AS "userId" FROM favorite_of_deleted WHERE article_id = $1 AND user_id > $2
   ORDER BY article_id, user_id LIMIT $3`,
);

/** $1 article */
export const forgetFavoritesOfDeleted = prepared(
  'articles.forget-favorites-of-deleted',
  'DELETE FROM favorite_of_deleted WHERE article_id = $1',
);

/** What `next_comment` hands out is never handed out again, even when the comment is deleted. */
export const nextComment = prepared(
  'articles.next-comment',
  'UPDATE article SET last_comment = last_comment + 1 WHERE slug = $1 RETURNING id, last_comment AS number',
);

export const idOfSlug = prepared('articles.id-of-slug', 'SELECT id FROM article WHERE slug = $1');

/** Locks the article, then adds the favorite and counts it, if it is new; gives the article then. $1 slug · $2 user */
export const favorite = prepared(
  'articles.favorite',
  `WITH target AS MATERIALIZED (SELECT id FROM article WHERE slug = $1 FOR NO KEY UPDATE),
   added AS (INSERT INTO favorite (article_id, user_id) SELECT id, $2 FROM target ON CONFLICT DO NOTHING RETURNING article_id)
   UPDATE article SET favorites_count = favorites_count + 1 FROM added WHERE id = added.article_id RETURNING id`,
);

export const unfavorite = prepared(
  'articles.unfavorite',
  `WITH target AS MATERIALIZED (SELECT id FROM article WHERE slug = $1 FOR NO KEY UPDATE),
   removed AS (DELETE FROM favorite f USING target WHERE f.article_id = target.id AND f.user_id = $2 RETURNING f.article_id)
   UPDATE article SET favorites_count = favorites_count - 1 FROM removed WHERE id = removed.article_id RETURNING id`,
);

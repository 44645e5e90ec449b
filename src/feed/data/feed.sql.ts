import { prepared } from '@rookery/sharding';

/** Rows of one shard, of any users. $1 users · $2 articles · $3 their authors */
export const add = prepared(
  'feed.add',
  `INSERT INTO feed_entry (user_id, article_id, author_id)
   SELECT user_id, article_id, author_id FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS given (user_id, article_id, author_id)
   ON CONFLICT DO NOTHING`,
);

/** $1 users · $2 articles */
export const remove = prepared(
  'feed.remove',
  `DELETE FROM feed_entry f USING unnest($1::uuid[], $2::uuid[]) AS given (user_id, article_id)
   WHERE f.user_id = given.user_id AND f.article_id = given.article_id`,
);

/** $1 users · $2 authors */
export const removeAuthors = prepared(
  'feed.remove-authors',
  `DELETE FROM feed_entry f USING unnest($1::uuid[], $2::uuid[]) AS given (user_id, author_id)
   WHERE f.user_id = given.user_id AND f.author_id = given.author_id`,
);

/** $1 users · $2 authors */
export const pull = prepared(
  'feed.pull',
  `INSERT INTO feed_pull (user_id, author_id)
   SELECT user_id, author_id FROM unnest($1::uuid[], $2::uuid[]) AS given (user_id, author_id)
   ON CONFLICT DO NOTHING`,
);

/** $1 users · $2 authors */
export const pullNoMore = prepared(
  'feed.pull-no-more',
  `DELETE FROM feed_pull f USING unnest($1::uuid[], $2::uuid[]) AS given (user_id, author_id)
   WHERE f.user_id = given.user_id AND f.author_id = given.author_id`,
);

/** [entries in all, ids of the page, authors to be asked], each list a text of lines; null where it is empty. */
export type PageRow = [total: number, ids: string | null, pulled: string | null];

/**
 * What the feed has itself: the page, or all down to its end where authors have to be asked as well, since what they wrote
 * comes in between. $1 user · $2 limit · $3 offset
 */
export const page = prepared(
  'feed.page',
  `SELECT coalesce((SELECT articles FROM feed_stat WHERE user_id = $1), 0),
     (SELECT string_agg(id::text, E'\\n' ORDER BY id DESC) FROM (
        SELECT article_id AS id FROM feed_entry WHERE user_id = $1 ORDER BY user_id DESC, article_id DESC
        LIMIT CASE WHEN EXISTS (SELECT FROM feed_pull WHERE user_id = $1) THEN $2::int + $3::int ELSE $2::int END
        OFFSET CASE WHEN EXISTS (SELECT FROM feed_pull WHERE user_id = $1) THEN 0 ELSE $3::int END) page),
     (SELECT string_agg(author_id::text, E'\\n') FROM feed_pull WHERE user_id = $1)`,
  'array',
);

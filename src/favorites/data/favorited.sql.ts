import { prepared } from '@rookery/sharding';

/** Rows of one shard, of any users. $1 users · $2 articles */
export const add = prepared(
  'favorited.add',
  `INSERT INTO favorited (user_id, article_id)
   SELECT user_id, article_id FROM unnest($1::uuid[], $2::uuid[]) AS given (user_id, article_id)
   ON CONFLICT DO NOTHING`,
);

/** $1 users · $2 articles */
export const remove = prepared(
  'favorited.remove',
  `DELETE FROM favorited f USING unnest($1::uuid[], $2::uuid[]) AS given (user_id, article_id)
   WHERE f.user_id = given.user_id AND f.article_id = given.article_id`,
);

import { prepared } from '@rookery/sharding';

/** The tags of one shard that any article carries. */
export const all = prepared('tags.all', 'SELECT tag FROM tag_stat WHERE articles > 0 ORDER BY tag', 'array');

/**
 * Gives the tags that nothing carried before, or nothing carries now. Rows are taken in the order of their keys, so that
 * two writers never wait for each other in a circle. $1 tags · $2 step
 */
export const count = prepared(
  'tags.count',
  `WITH step AS (SELECT tag, $2::int * count(*) AS by FROM unnest($1::text[]) AS given (tag) GROUP BY tag),
     counted AS (
       INSERT INTO tag_stat AS t (tag, articles) SELECT tag, by FROM step ORDER BY tag
       ON CONFLICT (tag) DO UPDATE SET articles = t.articles + excluded.articles RETURNING tag, articles)
   SELECT tag FROM counted JOIN step USING (tag)
   WHERE (articles > 0) <> (articles - by > 0)`,
);

/** $1 tags */
export const forgetEmpty = prepared(
  'tags.forget-empty',
  'DELETE FROM tag_stat WHERE tag = ANY($1::text[]) AND articles = 0',
);

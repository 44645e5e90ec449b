import { loggedEvents } from '@rookery/events';
import { prepared } from '@rookery/sharding';
import { articleTagged, articleUntagged } from '../../articles/index.js';
import { TAG_COUNTS } from '../handlers/tag-counts.js';

export { forgetEmpty } from './tags.sql.js';

/** [tag, articles] */
export const keptAll = prepared('tags.kept-all', 'SELECT tag, articles FROM tag_stat', 'array');
export const countedAll = prepared(
  'tags.counted-all',
  'SELECT tag, count(*)::int FROM article_tag GROUP BY tag',
  'array',
);

/** Makes what is not there, so that it is locked as well. $1 tags */
export const lock = prepared(
  'tags.lock',
  `INSERT INTO tag_stat AS t (tag, articles) SELECT tag, 0 FROM unnest($1::text[]) AS given (tag) ORDER BY tag
   ON CONFLICT (tag) DO UPDATE SET articles = t.articles`,
);

/** What articles carry a tag (no id), or what an event did to that number. */
export interface CountedRow {
  readonly tag: string;
  readonly step: number;
  readonly id: string | null;
}

/** One statement, so one snapshot: of each change both the row and the event are seen, or neither. $1 tags */
export const counted = prepared(
  'tags.counted',
  `SELECT tag, count(*)::int AS step, NULL::uuid AS id FROM article_tag WHERE tag = ANY($1::text[]) GROUP BY tag
   UNION ALL
   SELECT e.data->>'tag', CASE e.type WHEN '${articleTagged.type}' THEN 1 ELSE -1 END, e.id
   FROM (${loggedEvents(TAG_COUNTS.group, [articleTagged, articleUntagged])}) e WHERE e.data->>'tag' = ANY($1::text[])`,
);

/** $1 tags · $2 articles */
export const set = prepared(
  'tags.set',
  `UPDATE tag_stat t SET articles = given.articles FROM unnest($1::text[], $2::int[]) AS given (tag, articles)
   WHERE t.tag = given.tag`,
);

import { prepared } from '@rookery/sharding';
import type { RowModel } from '../rebuild/index.js';
import * as sql from './data/favorited.sql.js';

const FIRST = '00000000-0000-0000-0000-000000000000';

const due = prepared(
  'favorited.due',
  `SELECT user_id, article_id FROM favorite WHERE (article_id, user_id) > ($1::uuid, $2::uuid)
   ORDER BY article_id, user_id LIMIT 10000`,
  'array',
);
const there = prepared(
  'favorited.there',
  `SELECT user_id, article_id FROM favorited WHERE (user_id, article_id) > ($1::uuid, $2::uuid)
   ORDER BY user_id, article_id LIMIT 10000`,
  'array',
);
const without = (table: string): string => `
  SELECT user_id, article_id FROM unnest($1::uuid[], $2::uuid[]) AS given (user_id, article_id)
  WHERE NOT EXISTS (SELECT FROM ${table} t WHERE t.user_id = given.user_id AND t.article_id = given.article_id)`;

/** What each user has favorited, made of the favorites beside the articles. Columns: user, article. */
export const favoritedModel: RowModel = {
  name: 'favorited',
  due: (after) => due(after?.[1] ?? FIRST, after?.[0] ?? FIRST),
  there: (after) => there(after?.[0] ?? FIRST, after?.[1] ?? FIRST),
  placeOf: ([user]) => user!,
  sourceOf: ([, article]) => article!,
  missing: prepared('favorited.missing', without('favorited'), 'array'),
  unfounded: prepared('favorited.unfounded', without('favorite'), 'array'),
  add: sql.add,
  remove: sql.remove,
};

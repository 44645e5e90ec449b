import { prepared } from '@rookery/sharding';
import type { ModelRow, RowModel } from '../rebuild/index.js';
import * as sql from './data/feed.sql.js';
import * as followers from './data/followers.sql.js';

const FIRST = '00000000-0000-0000-0000-000000000000';
const LAST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

const pageOf = (name: string, columns: string, table: string, key: readonly [string, string]) =>
  prepared(
    name,
    `SELECT ${columns} FROM ${table} WHERE (${key.join(', ')}) > ($1::uuid, $2::uuid) ORDER BY ${key.join(', ')} LIMIT 10000`,
    'array',
  );
const given = (columns: readonly string[]): string =>
  `SELECT ${columns.join(', ')} FROM unnest(${columns.map((_, i) => `$${i + 1}::uuid[]`).join(', ')}) AS given (${columns.join(', ')})`;

const duePairs = pageOf('followers.due', 'followee_id, follower_id', 'follow', [
  'follower_id',
  'followee_id',
]);
const therePairs = pageOf('followers.there', 'author_id, follower_id', 'follower', [
  'author_id',
  'follower_id',
]);

/** Who follows an author, made of what followers have in their slots. Columns: author, follower. */
export const followersModel: RowModel = {
  name: 'followers',
  due: (after) => duePairs(after?.[1] ?? FIRST, after?.[0] ?? FIRST),
  there: (after) => therePairs(after?.[0] ?? FIRST, after?.[1] ?? FIRST),
  placeOf: ([author]) => author!,
  sourceOf: ([, follower]) => follower!,
  missing: prepared(
    'followers.missing',
    `${given(['author_id', 'follower_id'])}
     WHERE NOT EXISTS (SELECT FROM follower f WHERE f.author_id = given.author_id AND f.follower_id = given.follower_id)`,
    'array',
  ),
  unfounded: prepared(
    'followers.unfounded',
    `${given(['author_id', 'follower_id'])}
     WHERE NOT EXISTS (SELECT FROM follow f WHERE f.follower_id = given.follower_id AND f.followee_id = given.author_id)`,
    'array',
  ),
  add: followers.enterMany,
  remove: followers.leaveMany,
};

/**
 * Articles with all who are to have them: a list in place of many rows that repeat the article. Author by author, since what
 * one wrote lies together in a feed.
 */
const dueEntries = prepared(
  'feed.due',
  `SELECT a.author_id, a.id, (SELECT array_agg(follower_id::text) FROM follower WHERE author_id = a.author_id)
   FROM article a
   WHERE a.author_id >= $1 AND (a.author_id > $1 OR a.id < $2)
     AND EXISTS (SELECT FROM author_reach r WHERE r.author_id = a.author_id AND NOT r.pulled AND r.followers > 0)
   ORDER BY a.author_id, a.id DESC LIMIT 500`,
  'array',
);
const thereEntries = pageOf('feed.there', 'user_id, article_id, author_id', 'feed_entry', [
  'user_id',
  'article_id',
]);

/** What is in feeds, made of articles and followers in the author's slot. Columns: user, article, author. */
export const feedEntriesModel: RowModel = {
  name: 'feed',
  due: (after) => dueEntries(after?.[0] ?? FIRST, after?.[1] ?? LAST),
  expand: (row) => {
    const [author, article, users] = row as unknown as readonly [string, string, readonly string[] | null];
    return (users ?? []).map((user): ModelRow => [user, article, author]);
  },
  there: (after) => thereEntries(after?.[0] ?? FIRST, after?.[1] ?? FIRST),
  placeOf: ([user]) => user!,
  sourceOf: ([, , author]) => author!,
  missing: prepared(
    'feed.missing',
    `${given(['user_id', 'article_id', 'author_id'])}
     WHERE NOT EXISTS (SELECT FROM feed_entry e WHERE e.user_id = given.user_id AND e.article_id = given.article_id)`,
    'array',
  ),
  unfounded: prepared(
    'feed.unfounded',
    `${given(['user_id', 'article_id', 'author_id'])}
     WHERE NOT (EXISTS (SELECT FROM article a WHERE a.id = given.article_id AND a.author_id = given.author_id)
       AND EXISTS (SELECT FROM follower f WHERE f.author_id = given.author_id AND f.follower_id = given.user_id)
       AND EXISTS (SELECT FROM author_reach r WHERE r.author_id = given.author_id AND NOT r.pulled))`,
    'array',
  ),
  add: sql.add,
  remove: prepared(
    'feed.remove-rows',
    `DELETE FROM feed_entry f USING unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS given (user_id, article_id, author_id)
     WHERE f.user_id = given.user_id AND f.article_id = given.article_id`,
  ),
};

const duePulls = pageOf(
  'feed.pulls-due',
  'follower_id, author_id',
  '(SELECT f.* FROM follower f JOIN author_reach r USING (author_id) WHERE r.pulled) f',
  ['author_id', 'follower_id'],
);
const therePulls = pageOf('feed.pulls-there', 'user_id, author_id', 'feed_pull', ['user_id', 'author_id']);

/** Whom feeds ask when they are read, made of the decisions in the author's slot. Columns: user, author. */
export const feedPullsModel: RowModel = {
  name: 'authors to ask',
  due: (after) => duePulls(after?.[1] ?? FIRST, after?.[0] ?? FIRST),
  there: (after) => therePulls(after?.[0] ?? FIRST, after?.[1] ?? FIRST),
  placeOf: ([user]) => user!,
  sourceOf: ([, author]) => author!,
  missing: prepared(
    'feed.pulls-missing',
    `${given(['user_id', 'author_id'])}
     WHERE NOT EXISTS (SELECT FROM feed_pull p WHERE p.user_id = given.user_id AND p.author_id = given.author_id)`,
    'array',
  ),
  unfounded: prepared(
    'feed.pulls-unfounded',
    `${given(['user_id', 'author_id'])}
     WHERE NOT EXISTS (SELECT FROM follower f JOIN author_reach r USING (author_id)
       WHERE f.author_id = given.author_id AND f.follower_id = given.user_id AND r.pulled)`,
    'array',
  ),
  add: sql.pull,
  remove: sql.pullNoMore,
};

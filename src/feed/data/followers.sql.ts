import { prepared } from '@rookery/sharding';

/** What is known of an author, its row locked until the transaction ends. */
export interface Reach {
  readonly followers: number;
  readonly pulled: boolean;
}

/** $1 author · $2 follower */
export const enter = prepared(
  'followers.enter',
  `WITH added AS (
     INSERT INTO follower (author_id, follower_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING author_id
   )
   INSERT INTO author_reach AS r (author_id, followers) SELECT $1, count(*) FROM added
   ON CONFLICT (author_id) DO UPDATE SET followers = r.followers + excluded.followers
   RETURNING followers, pulled`,
);

/** $1 author · $2 follower */
export const leave = prepared(
  'followers.leave',
  `WITH removed AS (DELETE FROM follower WHERE author_id = $1 AND follower_id = $2 RETURNING author_id)
   UPDATE author_reach SET followers = followers - (SELECT count(*) FROM removed) WHERE author_id = $1`,
);

/** Rows of one shard. $1 authors · $2 followers */
export const enterMany = prepared(
  'followers.enter-many',
  `WITH added AS (
     INSERT INTO follower (author_id, follower_id)
     SELECT author_id, follower_id FROM unnest($1::uuid[], $2::uuid[]) AS given (author_id, follower_id)
     ON CONFLICT DO NOTHING RETURNING author_id
   )
   INSERT INTO author_reach AS r (author_id, followers)
   SELECT author_id, count(*) FROM added GROUP BY author_id ORDER BY author_id
   ON CONFLICT (author_id) DO UPDATE SET followers = r.followers + excluded.followers`,
);

/** $1 authors · $2 followers */
export const leaveMany = prepared(
  'followers.leave-many',
  `WITH removed AS (
     DELETE FROM follower f USING unnest($1::uuid[], $2::uuid[]) AS given (author_id, follower_id)
     WHERE f.author_id = given.author_id AND f.follower_id = given.follower_id RETURNING f.author_id
   )
   UPDATE author_reach r SET followers = r.followers - fewer.n
   FROM (SELECT author_id, count(*) AS n FROM removed GROUP BY author_id) fewer WHERE r.author_id = fewer.author_id`,
);

export const lock = prepared(
  'followers.lock',
  'SELECT followers, pulled FROM author_reach WHERE author_id = $1 FOR UPDATE',
);

/** For an author whom nobody followed so far: a row that is not there cannot be locked. */
export const lockNew = prepared(
  'followers.lock-new',
  `INSERT INTO author_reach AS r (author_id, followers) VALUES ($1, 0)
   ON CONFLICT (author_id) DO UPDATE SET followers = r.followers RETURNING followers, pulled`,
);

export const pull = prepared('followers.pull', 'UPDATE author_reach SET pulled = true WHERE author_id = $1');

/** $1 followers above which feeds ask; for loads beside the site */
export const pullAbove = prepared(
  'followers.pull-above',
  'UPDATE author_reach SET pulled = true WHERE followers > $1 AND NOT pulled',
);

export const all = prepared(
  'followers.all',
  'SELECT follower_id AS follower FROM follower WHERE author_id = $1 ORDER BY follower_id',
);

export const has = prepared(
  'followers.has',
  'SELECT FROM follower WHERE author_id = $1 AND follower_id = $2',
);

/** $1 author · $2 article before which they are · $3 most */
export const articlesBefore = prepared(
  'followers.articles-before',
  'SELECT id FROM article WHERE author_id = $1 AND id < $2 ORDER BY author_id, id DESC LIMIT $3',
);

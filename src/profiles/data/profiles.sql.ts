import { prepared } from '@rookery/sharding';

/** Only for a follower who exists: a token may outlive its account. */
export const follow = prepared(
  'profiles.follow',
  `INSERT INTO follow (follower_id, followee_id) SELECT id, $2 FROM users WHERE id = $1 ON CONFLICT DO NOTHING`,
);

export const unfollow = prepared(
  'profiles.unfollow',
  'DELETE FROM follow WHERE follower_id = $1 AND followee_id = $2',
);

export const followedAmong = prepared(
  'profiles.followed-among',
  'SELECT followee_id FROM follow WHERE follower_id = $1 AND followee_id = ANY($2::uuid[])',
  'array',
);

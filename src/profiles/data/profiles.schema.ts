import { defineMigration } from '@rookery/sharding';

/** Who follows whom, in the follower's slot. */
export const profilesSchema = defineMigration({
  id: 'conduit-0002-profiles',
  up: `
CREATE TABLE follow (
  follower_id uuid NOT NULL,
  followee_id uuid NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (follower_id, followee_id)
);
SELECT rookery_shard_table('follow', 'rookery_slot_of(follower_id)', 'follower_id, followee_id');
`,
});

import { defineMigration } from '@rookery/sharding';

/**
 * The feed, as two read models: who follows an author, in the author's slot, and what is in a user's feed, in the user's.
 *
 * `author_reach` is the one row that everything said to an author's followers is serialized by, and says whether their feeds
 * have the author's articles or ask for them (`pulled`). A feed has of each followed author either a line in `feed_pull` or
 * all articles in `feed_entry`, never both.
 */
export const feedSchema = defineMigration({
  id: 'conduit-0008-feed',
  up: `
CREATE TABLE follower (
  author_id uuid NOT NULL,
  follower_id uuid NOT NULL,
  PRIMARY KEY (author_id, follower_id)
);
SELECT rookery_shard_table('follower', 'rookery_slot_of(author_id)', 'author_id, follower_id');

CREATE TABLE author_reach (
  author_id uuid PRIMARY KEY,
  followers int NOT NULL,
  pulled boolean NOT NULL DEFAULT false
) WITH (fillfactor = 70);
SELECT rookery_shard_table('author_reach', 'rookery_slot_of(author_id)', 'author_id');

CREATE TABLE feed_entry (
  user_id uuid NOT NULL,
  article_id uuid NOT NULL,
  author_id uuid NOT NULL,
  -- Who unfollows has the feed read for what the author wrote: seldom, so it needs no index that each article would pay for.
  PRIMARY KEY (user_id, article_id) INCLUDE (author_id)
);
SELECT rookery_shard_table('feed_entry', 'rookery_slot_of(user_id)', 'user_id, article_id');

CREATE TABLE feed_pull (
  user_id uuid NOT NULL,
  author_id uuid NOT NULL,
  PRIMARY KEY (user_id, author_id)
);
SELECT rookery_shard_table('feed_pull', 'rookery_slot_of(user_id)', 'user_id, author_id');

CREATE TABLE feed_stat (
  user_id uuid PRIMARY KEY,
  articles int NOT NULL
) WITH (fillfactor = 70);

CREATE FUNCTION conduit_count_feed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  step int := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
  INSERT INTO feed_stat AS s (user_id, articles)
    SELECT user_id, step * count(*) FROM changed GROUP BY user_id ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE SET articles = s.articles + excluded.articles;
  RETURN NULL;
END $$;
CREATE TRIGGER conduit_count_insert AFTER INSERT ON feed_entry REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION conduit_count_feed();
CREATE TRIGGER conduit_count_delete AFTER DELETE ON feed_entry REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION conduit_count_feed();
`,
});

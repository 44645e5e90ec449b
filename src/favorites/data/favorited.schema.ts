import { defineMigration } from '@rookery/sharding';

/**
 * What each user has favorited, in the user's own slot, and how much: a read model of the favorites that lie beside their
 * articles. The count is derived by triggers, as all counts are.
 */
export const favoritedSchema = defineMigration({
  id: 'conduit-0006-favorited',
  up: `
CREATE TABLE favorited (
  user_id uuid NOT NULL,
  article_id uuid NOT NULL,
  PRIMARY KEY (user_id, article_id)
);
SELECT rookery_shard_table('favorited', 'rookery_slot_of(user_id)', 'user_id, article_id');

CREATE TABLE favorited_stat (
  user_id uuid PRIMARY KEY,
  articles int NOT NULL
) WITH (fillfactor = 70);

CREATE FUNCTION conduit_count_favorited() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  step int := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
  INSERT INTO favorited_stat AS s (user_id, articles)
    SELECT user_id, step * count(*) FROM changed GROUP BY user_id ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE SET articles = s.articles + excluded.articles;
  RETURN NULL;
END $$;
CREATE TRIGGER conduit_count_insert AFTER INSERT ON favorited REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION conduit_count_favorited();
CREATE TRIGGER conduit_count_delete AFTER DELETE ON favorited REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION conduit_count_favorited();
`,
});

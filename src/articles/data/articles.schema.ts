import { defineMigration } from '@rookery/sharding';

/**
 * Articles and all that belongs to them, in their author's slot: tags, favorites, and the counts of what they count.
 *
 * The id is a UUIDv7 made in the same millisecond as created_at, so newest first, ties broken by id, is the order of the
 * primary key, and the same on every shard. `card` is what every viewer of a list sees of an article, as an open JSON object;
 * a generated column cannot drift from what it is made of.
 */
export const articlesSchema = defineMigration({
  id: 'conduit-0003-articles',
  up: `
CREATE TABLE article (
  id uuid PRIMARY KEY,
  author_id uuid NOT NULL,
  slug text COLLATE "C" NOT NULL,
  title text NOT NULL,
  description text NOT NULL,
  body text NOT NULL,
  tag_list text[] NOT NULL,
  favorites_count int NOT NULL DEFAULT 0 CHECK (favorites_count >= 0),
  last_comment int NOT NULL DEFAULT 0,
  created_at timestamptz(3) NOT NULL,
  updated_at timestamptz(3) NOT NULL,
  card text NOT NULL GENERATED ALWAYS AS (
    '{"slug":' || conduit_json(slug) || ',"title":' || conduit_json(title) || ',"description":' || conduit_json(description)
    || ',"tagList":' || conduit_json(tag_list) || ',"createdAt":' || conduit_json(created_at)
    || ',"updatedAt":' || conduit_json(updated_at)
  ) STORED,
  CHECK (rookery_slot_of(id) = rookery_slot_of(author_id))
) WITH (fillfactor = 90);
SELECT rookery_shard_table('article', 'rookery_slot_of(id)', 'id');
CREATE UNIQUE INDEX article_by_slug ON article (slug);
CREATE INDEX article_by_author ON article (author_id, id DESC);

CREATE TABLE article_tag (
  tag text COLLATE "C" NOT NULL,
  article_id uuid NOT NULL,
  PRIMARY KEY (tag, article_id)
);
SELECT rookery_shard_table('article_tag', 'rookery_slot_of(article_id)', 'tag, article_id');

-- Counts are derived by triggers, in the transaction that changes what they count: however rows come and go, the counts
-- go with them. A count that many writers share is spread over buckets, so that none of its rows is hot; a reader adds up
-- as many rows as there are buckets, whatever the number of articles.
CREATE TABLE author_stat (
  author_id uuid PRIMARY KEY,
  articles int NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE article_total (
  bucket smallint PRIMARY KEY,
  articles int NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE tag_total (
  tag text COLLATE "C" NOT NULL,
  bucket smallint NOT NULL,
  articles int NOT NULL,
  PRIMARY KEY (tag, bucket)
) WITH (fillfactor = 70);

-- Rows are taken in the order of their keys, so that two writers never wait for each other in a circle.
CREATE FUNCTION conduit_count_articles() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  step int := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
  INSERT INTO author_stat AS s (author_id, articles)
    SELECT author_id, step * count(*) FROM changed GROUP BY author_id ORDER BY author_id
    ON CONFLICT (author_id) DO UPDATE SET articles = s.articles + excluded.articles;
  INSERT INTO article_total AS t (bucket, articles)
    SELECT shard_slot & 127, step * count(*) FROM changed GROUP BY 1 ORDER BY 1
    ON CONFLICT (bucket) DO UPDATE SET articles = t.articles + excluded.articles;
  RETURN NULL;
END $$;
CREATE TRIGGER conduit_count_insert AFTER INSERT ON article REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION conduit_count_articles();
CREATE TRIGGER conduit_count_delete AFTER DELETE ON article REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION conduit_count_articles();

CREATE FUNCTION conduit_count_tags() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  step int := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
  INSERT INTO tag_total AS t (tag, bucket, articles)
    SELECT tag, shard_slot & 15, step * count(*) FROM changed GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (tag, bucket) DO UPDATE SET articles = t.articles + excluded.articles;
  RETURN NULL;
END $$;
CREATE TRIGGER conduit_count_insert AFTER INSERT ON article_tag REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION conduit_count_tags();
CREATE TRIGGER conduit_count_delete AFTER DELETE ON article_tag REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION conduit_count_tags();

CREATE TABLE favorite (
  article_id uuid NOT NULL,
  user_id uuid NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (article_id, user_id)
);
SELECT rookery_shard_table('favorite', 'rookery_slot_of(article_id)', 'article_id, user_id');
CREATE INDEX favorite_by_user ON favorite (user_id, article_id DESC);

`,
});

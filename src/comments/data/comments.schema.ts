import { defineMigration } from '@rookery/sharding';

/** Comments, numbered within their article, in its slot. */
export const commentsSchema = defineMigration({
  id: 'conduit-0004-comments',
  up: `
CREATE TABLE comment (
  article_id uuid NOT NULL,
  number int NOT NULL,
  author_id uuid NOT NULL,
  body text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (article_id, number)
);
SELECT rookery_shard_table('comment', 'rookery_slot_of(article_id)', 'article_id, number');
`,
});

import { defineMigration } from '@rookery/sharding';

/**
 * Who had favorited an article that is gone, in the article's slot, until their lists have confirmed that they know. Its favorites
 * themselves end with the article, so who is to be told would be forgotten with them.
 */
export const favoritesOfDeletedSchema = defineMigration({
  id: 'conduit-0005-favorites-of-deleted',
  up: `
CREATE TABLE favorite_of_deleted (
  article_id uuid NOT NULL,
  user_id uuid NOT NULL,
  PRIMARY KEY (article_id, user_id)
);
SELECT rookery_shard_table('favorite_of_deleted', 'rookery_slot_of(article_id)', 'article_id, user_id');
`,
});

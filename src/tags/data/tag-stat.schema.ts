import { defineMigration } from '@rookery/sharding';

/** How many articles carry a tag, over all shards, in the slot of the tag: a read model. A tag of none has no row. */
export const tagStatSchema = defineMigration({
  id: 'conduit-0007-tag-stat',
  up: `
CREATE TABLE tag_stat (
  tag text COLLATE "C" PRIMARY KEY,
  articles int NOT NULL
) WITH (fillfactor = 70);
SELECT rookery_shard_table('tag_stat', 'rookery_slot_of_key(tag)', 'tag');
`,
});

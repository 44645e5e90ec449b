import type { Migration } from '@rookery/sharding';
import { eventsSchema } from '@rookery/events';
import { articlesSchema, favoritesOfDeletedSchema } from './articles/index.js';
import { commentsSchema } from './comments/index.js';
import { favoritedSchema } from './favorites/index.js';
import { feedSchema } from './feed/index.js';
import { profilesSchema } from './profiles/index.js';
import { tagStatSchema } from './tags/index.js';
import { usersSchema } from './users/index.js';

/** The schema of the site, in the order it is applied. Migrations are added at the end and never changed. */
export const migrations: readonly Migration[] = [
  usersSchema,
  profilesSchema,
  articlesSchema,
  commentsSchema,
  ...eventsSchema,
  favoritesOfDeletedSchema,
  favoritedSchema,
  tagStatSchema,
  feedSchema,
];

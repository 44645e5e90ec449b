import type { SiteOptions } from '../support/site.js';
import { articleListsSuite } from './article-lists.suite.js';
import { articlesSuite } from './articles.suite.js';
import { commentsSuite } from './comments.suite.js';
import { favoritesSuite } from './favorites.suite.js';
import { feedSuite } from './feed.suite.js';
import { profilesSuite } from './profiles.suite.js';
import { readAfterWriteSuite } from './read-after-write.suite.js';
import { tagsSuite } from './tags.suite.js';
import { usersSuite } from './users.suite.js';

const PARTS: readonly [string, (options?: SiteOptions) => void][] = [
  ['users', usersSuite],
  ['profiles', profilesSuite],
  ['articles', articlesSuite],
  ['lists of articles', articleListsSuite],
  ['comments', commentsSuite],
  ['favorites', favoritesSuite],
  ['tags', tagsSuite],
  ['the feed', feedSuite],
  ['reading after writing', readAfterWriteSuite],
];

/** What people do with Conduit, each part on a site of its own. One file: to load the site takes longer than most parts. */
describe.each(PARTS)('%s', (_, suite) => {
  suite();
});

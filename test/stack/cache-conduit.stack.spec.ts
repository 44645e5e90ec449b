// needs: redis
import { startRedis, type Redis } from '@rookery/devstack/testing';
import { operationsSuite } from '../contract/operations.suite.js';
import { publishedDocumentSuite } from '../contract/published-document.suite.js';
import { favoritesSuite } from '../e2e/favorites.suite.js';
import { feedSuite } from '../e2e/feed.suite.js';
import { freshEverywhereSuite } from '../e2e/fresh-everywhere.suite.js';
import { readAfterWriteSuite } from '../e2e/read-after-write.suite.js';
import { tagsSuite } from '../e2e/tags.suite.js';

/** What holds of one replica with its own memory holds of several that share a cache in Redis: clients go from one to the next. */
describe('with a cache in Redis', () => {
  let server: Redis;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.close());
  const redis = () => server.url;

  describe.each([
    ['one replica', 1],
    ['two replicas', 2],
  ])('and %s', (_, replicas) => {
    describe.each([
      ['the contract, operation by operation', operationsSuite],
      ['the published document', publishedDocumentSuite],
      ['what is read after a write', readAfterWriteSuite],
      ['the feed', feedSuite],
      ['favorites', favoritesSuite],
      ['tags', tagsSuite],
      ['what is cached', freshEverywhereSuite],
    ])('%s', (__, suite) => {
      suite({ redis, replicas });
    });
  });
});

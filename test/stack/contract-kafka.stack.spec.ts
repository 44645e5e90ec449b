// needs: kafka
import type { KafkaCluster } from '@rookery/devstack/testing';
import { brokenHttpSuite } from '../contract/broken-http.suite.js';
import { malformedSuite } from '../contract/malformed.suite.js';
import { operationsSuite } from '../contract/operations.suite.js';
import { publishedDocumentSuite } from '../contract/published-document.suite.js';
import { favoritesSuite } from '../e2e/favorites.suite.js';
import { feedSuite } from '../e2e/feed.suite.js';
import { readAfterWriteSuite } from '../e2e/read-after-write.suite.js';
import { tagsSuite } from '../e2e/tags.suite.js';
import { testKafka } from './support/kafka-site.js';
import { overKafka } from './support/over-kafka.js';

/** What holds of a site whose events come from the logs holds of one whose events travel by Kafka: the same suites, each on its own site. */
describe('over Kafka', () => {
  let cluster: KafkaCluster;
  beforeAll(async () => {
    cluster = await testKafka();
  });
  afterAll(() => cluster?.stop());
  const options = overKafka(() => cluster.brokers);

  describe.each([
    ['the contract, operation by operation', operationsSuite],
    ['malformed input', malformedSuite],
    ['broken HTTP', brokenHttpSuite],
    ['the published document', publishedDocumentSuite],
    ['what is read after a write', readAfterWriteSuite],
    ['the feed', feedSuite],
    ['favorites', favoritesSuite],
    ['tags', tagsSuite],
  ])('%s', (_, suite) => {
    suite(options);
  });
});

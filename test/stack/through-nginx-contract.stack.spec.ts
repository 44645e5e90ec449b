// needs: nginx, etcd, redis, kafka
import { operationsSuite } from '../contract/operations.suite.js';
import { publishedDocumentSuite } from '../contract/published-document.suite.js';
import { favoritesSuite } from '../e2e/favorites.suite.js';
import { feedSuite } from '../e2e/feed.suite.js';
import { readAfterWriteSuite } from '../e2e/read-after-write.suite.js';
import { tagsSuite } from '../e2e/tags.suite.js';
import { ClusterProcess } from './support/cluster-process.js';

const LIMIT_MS = 300_000;

const suites = [
  ['the contract, operation by operation', () => operationsSuite({}, 'nginx')],
  ['the published document', () => publishedDocumentSuite()],
  ['what is read after a write', () => readAfterWriteSuite()],
  ['the feed', () => feedSuite()],
  ['favorites', () => favoritesSuite()],
  ['tags', () => tagsSuite()],
] as const;

/** What holds of one replica holds of three behind Nginx, on four shards, with Kafka and Redis: the same suites. */
describe('through Nginx', () => {
  let cluster: ClusterProcess;
  let leave: (() => Promise<void>) | undefined;

  beforeAll(async () => {
    cluster = await new ClusterProcess(...['--replicas', '3', '--shards', '4', '--kafka', '--redis']).ready();
    const { urls, release } = await cluster.databases(4);
    leave = release;
    process.env['CONDUIT_URL'] = `${cluster.url}/api`;
    process.env['CONDUIT_SHARD_URLS'] = urls.join(',');
  }, LIMIT_MS);
  afterAll(async () => {
    delete process.env['CONDUIT_URL'];
    delete process.env['CONDUIT_SHARD_URLS'];
    await leave?.();
    await cluster?.close();
  }, LIMIT_MS);

  describe.each(suites)('%s', (_, suite) => {
    suite();
  });

  describe('while the replicas are replaced, one after the other', () => {
    let over = false;
    let rolls = 0;
    let rolling: Promise<void>;

    beforeAll(() => {
      rolling = (async () => {
        while (!over) {
          await cluster.rookery('roll');
          rolls += 1;
        }
      })();
      // Told of at the end.
      rolling.catch(() => undefined);
    });
    afterAll(async () => {
      over = true;
      await rolling;
      expect(rolls).toBeGreaterThan(0);
    }, LIMIT_MS);

    describe.each(suites)('%s', (_, suite) => {
      suite();
    });
  });
});

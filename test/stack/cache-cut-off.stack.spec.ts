// needs: redis
import { Cache } from '@rookery/cache';
import { startRedis, type Redis } from '@rookery/devstack/testing';
import { Actor } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';
import type { BootedSite } from '../support/site.js';
import { until } from '../support/until.js';
import { Wire } from '../support/wire.js';
import { slowProxy, type SlowProxy } from './support/slow-proxy.js';

describe('a replica that alone has lost Redis', () => {
  let server: Redis;
  let link: SlowProxy;
  beforeAll(async () => {
    server = await startRedis();
    link = await slowProxy(server.port);
  });
  const conduit = useConduit({ replicas: 2, redis: (replica) => (replica === 1 ? link.url : server.url) });
  conduit.afterClose(async () => {
    await link.close();
    await server.close();
  });

  it('has the others forget what it changes, before its writers are answered', async () => {
    const caches = (conduit.site as BootedSite).replicas.map(({ app }) => app.get(Cache));
    const [here, there] = conduit.site.baseUrls.map((url) => new Wire(new URL(url))) as [Wire, Wire];
    const author = await conduit.someone('author');
    const writer = new Actor(here, conduit.prefix, `Token ${author.user.token}`);
    const reader = new Actor(there, conduit.prefix);
    const { slug } = (await writer.publish(draft())).is(201).article;
    link.silent = true;
    await until('the loss to be noticed', () => Promise.resolve(!caches[0]!.stats().driver.inStep));
    for (let round = 0; round < 10; round += 1) {
      // The event of the round before has it forgotten once more, some time later.
      await until('the reader’s replica to keep it', async () =>
        (await reader.article(slug)).is(200).headers['cache-status']!.includes('hit'),
      );
      (await writer.edit(slug, { body: `round ${round}` })).is(200);
      expect((await reader.article(slug)).is(200).article.body).toBe(`round ${round}`);
    }
    // It has heard of it all by Redis; but for a moment, perhaps, in which it was held up.
    await until('the other one to be in step', () => Promise.resolve(caches[1]!.stats().driver.inStep));
    link.silent = false;
    for (const wire of [here, there]) wire.close();
  });
});

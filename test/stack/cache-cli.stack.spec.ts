// needs: redis
import { createCache, type Cache } from '@rookery/cache';
import { cacheExplain, cacheInvalidate, cacheStats, runCli, type CacheSite } from '@rookery/cli';
import { startRedis, type Redis } from '@rookery/devstack/testing';
import { PATIENT } from './support/redis-stage.js';

describe('rookery cache, over a Redis that replicas share', () => {
  let redis: Redis;
  /** Long enough for a machine that does other things as well. */
  const options = () => ({ redisUrl: redis.url, namespace: 'spec', ...PATIENT });
  const caches: Cache[] = [];
  beforeAll(async () => {
    redis = await startRedis();
    for (const replicaId of ['one', 'two']) {
      const cache = createCache({ ...options(), replicaId });
      caches.push(cache);
      await cache.start();
    }
  }, 60_000);
  afterAll(async () => {
    await Promise.all(caches.map((cache) => cache.stop()));
    await redis?.close();
  });

  async function rookery(...args: readonly string[]) {
    let out = '';
    const code = await runCli<CacheSite>(['cache', ...args], {
      summary: 'spec',
      version: '0',
      groups: {},
      commands: [cacheStats, cacheExplain, cacheInvalidate],
      open: () => Promise.resolve({ cache: options(), close: () => Promise.resolve() }),
      stdout: { write: (text) => (out += text) },
      stderr: { write: (text) => (out += text) },
    });
    return { code, out };
  }
  const read = (cache: Cache, value: string) =>
    cache.get('page', () => Promise.resolve(value), { tags: ['tag', 'other'], ttlMs: 60_000 });

  it('counts entries and names the replicas, without being one itself', async () => {
    await read(caches[0]!, 'first');
    const { code, out } = await rookery('stats');
    expect(code).toBe(0);
    expect(out).toMatch(/^entries +1$/m);
    expect(out).toMatch(/^tags +2$/m);
    expect(out).toMatch(/^memory of Redis +[\d.]+ MiB, no limit$/m);
    expect(out.match(/^(one|two)-\w+ +hears$/gm)).toHaveLength(2);
  });

  it('explains an entry, ends it everywhere, and says why it is not served any more', async () => {
    await read(caches[1]!, 'first');
    const before = await rookery('explain', 'page');
    expect(before).toMatchObject({ code: 0, out: expect.stringMatching(/^state +valid/) as string });
    expect(before.out).toMatch(/^tags +tag, other$/m);

    expect(await rookery('invalidate', '--tag', 'tag', '--dry-run')).toEqual({
      code: 0,
      out: "would end what carries 'tag', on 2 replicas\n",
    });
    expect(caches[1]!.peek('page')).toBeDefined();
    expect(await rookery('invalidate', '--tag', 'tag')).toEqual({
      code: 0,
      out: "✓ ended what carries 'tag': 2 replicas told, none serves it any more\n",
    });
    expect(caches.map((cache) => cache.peek('page'))).toEqual([undefined, undefined]);
    expect((await rookery('explain', 'page')).out).toMatch(/^state +not valid: a tag was invalidated/);
    expect(await read(caches[0]!, 'second')).toBe('second');
    expect(await rookery('explain', 'unknown')).toEqual({
      code: 1,
      out: 'Redis keeps nothing of this key: it is loaded by whoever asks next\n',
    });
  });
});

import { setTimeout as pause } from 'node:timers/promises';
import { createCache, type Cache } from '@rookery/cache';
import { testDatabases } from '@rookery/devstack/testing';
import { noopMeter } from '@rookery/kernel';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { CacheHelp } from './cache-help.js';

const TAGS = ['article:1'];

describe('help to invalidate', () => {
  let cluster: TestShards;
  let cache: Cache;
  const started: CacheHelp[] = [];
  const begin = (replicaId: string, theirs: Cache): CacheHelp => {
    const warned = (message: string, error: unknown): never => {
      throw new Error(message, { cause: error });
    };
    const options = { caching: 'shared' as const, replicaId, meter: noopMeter, onWarning: warned };
    const help = new CacheHelp(cluster.shards, theirs, options);
    help.onModuleInit();
    started.push(help);
    return help;
  };
  const read = (): Promise<unknown> =>
    cache.get('one', () => Promise.resolve(++loads), { tags: TAGS, ttlMs: 60_000 });
  let loads = 0;

  beforeEach(async () => {
    cluster = await testShards({ databases: testDatabases, migrations: [], count: 1 });
    cache = createCache();
    await cache.start();
    loads = 0;
  }, 60_000);
  afterEach(async () => {
    for (const help of started.splice(0)) help.beforeApplicationShutdown();
    await cache.stop();
    await cluster.close();
  });

  it('is given by a replica that hears the call', async () => {
    const asking = begin('asking', cache);
    begin('helping', cache);
    expect(await read()).toBe(1);
    while (!(await asking.invalidate(TAGS))) await pause(5);
    expect(await read()).not.toBe(1);
  });

  it('is asked for without waiting once nobody has answered, and waited for again once somebody has', async () => {
    const asking = begin('asking', cache);
    expect(await asking.invalidate(TAGS)).toBe(false);
    begin('helping', cache);
    expect(await read()).toBe(1);
    // The first of them is not waited for; it is heard all the same, and its answer ends the silence.
    await asking.invalidate(TAGS);
    while ((await read()) === 1) await pause(5);
    const before = await read();
    while (!(await asking.invalidate(TAGS))) await pause(5);
    expect(await read()).not.toBe(before);
  });
});

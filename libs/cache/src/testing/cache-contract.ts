import { setTimeout as delay } from 'node:timers/promises';
import { Cache } from '../cache.js';
import { settled, type CacheOptions } from '../cache.options.js';
import { watchForStaleReads } from './stale-read-watch.js';
import type { DriverStage } from './driver-contract.js';

/** What a site may rely on, whatever driver its caches share, for Jest. */
export function describeCaches(name: string, open: () => Promise<DriverStage>): void {
  describe(`caches over ${name}`, () => {
    let stage: DriverStage;
    const caches: Cache[] = [];
    let number = 0;
    let key: string;
    let options: { tags: string[]; ttlMs: number; staleMs?: number };

    beforeAll(async () => {
      stage = await open();
    });
    afterAll(() => stage?.close());
    beforeEach(() => {
      key = `cached ${(number += 1)}`;
      options = { tags: [`tag ${number}`], ttlMs: 60_000 };
    });
    afterEach(async () => {
      for (const cache of caches.splice(0)) await cache.stop();
    });

    async function started(cacheOptions: CacheOptions = {}): Promise<Cache> {
      const cache = new Cache(stage.driver(), settled(cacheOptions));
      caches.push(cache);
      await cache.start();
      return cache;
    }

    it('load once for a hundred cold callers on two of them', async () => {
      // However long the load is held up, nobody gives up waiting for it.
      const patient = { waitForOthersMs: 60_000 };
      const pair = [await started(patient), await started(patient)];
      let loads = 0;
      const load = async () => ({ loads: (loads += 1), at: await delay(50, 'now') });
      const calls = Array.from({ length: 100 }, (_, i) => pair[i % 2]!.get(key, load, options));
      expect(new Set((await Promise.all(calls)).map((value) => value.loads))).toEqual(new Set([1]));
    });

    it.each([0, 1])(
      'never give the old value after an invalidation during its load (cache %i)',
      async (i) => {
        const pair = [await started(), await started()];
        let row = 'old';
        let go!: () => void;
        const reading = new Promise<void>((begun) => {
          const slow = async () => {
            const seen = row;
            begun();
            await new Promise<void>((resolve) => (go = resolve));
            return seen;
          };
          void pair[0]!.get(key, slow, options).catch(() => undefined);
        });
        await reading;
        row = 'new';
        await pair[i]!.invalidate(options.tags);
        const now = () => Promise.resolve(row);
        expect(await Promise.all(pair.map((cache) => cache.get(key, now, options)))).toEqual(['new', 'new']);
        go();
        await delay(5);
        const unused = () => Promise.resolve('loaded again');
        for (const cache of pair) expect(await cache.get(key, unused, options)).not.toBe('old');
      },
    );

    it('are fresh, all of them, when an invalidation is acknowledged', async () => {
      const [one, other] = [await started(), await started()];
      await one.get(key, () => Promise.resolve(1), options);
      // What was held up for longer than it trusts what it has keeps nothing: it comes back.
      while (!other.peek(key)) await other.get(key, () => Promise.resolve(1), options);
      expect(await one.invalidate(options.tags)).toEqual({ acknowledged: true });
      expect(other.peek(key)).toBeUndefined();
      expect(await other.get(key, () => Promise.resolve(2), options)).toBe(2);
    });

    it('serve what was softly invalidated when its load fails, and never what was invalidated hard', async () => {
      const [one, other] = [await started(), await started()];
      options.staleMs = 60_000;
      const fails = () => Promise.reject(new Error('the database is away'));
      for (const cache of [one, other]) await cache.get(key, () => Promise.resolve('old'), options);
      await one.invalidate(options.tags, { mode: 'soft' });
      expect(await other.get<string>(key, fails, options)).toBe('old');
      expect(await one.get<string>(key, fails, options)).toBe('old');
      await other.invalidate(options.tags);
      await expect(one.get(key, fails, options)).rejects.toThrow('the database is away');
      await expect(other.get(key, fails, options)).rejects.toThrow('the database is away');
    });

    it('give no stale read, however writes, reads and loads meet', async () => {
      const three = [await started(), await started(), await started()];
      // A driver that was held up for too long acknowledges nothing, and promises nothing then.
      const watch = watchForStaleReads(three, { countsUnacknowledged: false });
      await delay(1_000);
      // All of that second may have been a stall.
      while (watch.writes - watch.unacknowledged <= 10 || watch.reads <= 10) await delay(10);
      await watch.stop();
      expect(watch.staleReads).toEqual([]);
    });

    it('end everything at once', async () => {
      const [one, other] = [await started(), await started()];
      await one.get(key, () => Promise.resolve(1), options);
      await other.get(key, () => Promise.resolve(1), options);
      expect(await other.invalidateAll()).toEqual({ acknowledged: true });
      expect(await one.get(key, () => Promise.resolve(2), options)).toBe(2);
    });
  });
}

import { setTimeout as delay } from 'node:timers/promises';
import type { CacheDriver, DriverListener, EntryMeta, StoredRecord } from '../drivers/driver.js';

/** Where a driver is tried: what `driver` gives, all share. */
export interface DriverStage {
  driver(): CacheDriver;
  close(): Promise<void>;
}

interface Heard extends DriverListener {
  readonly tags: string[];
  all: number;
}

const BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

function record(body: Buffer | string, meta: Partial<EntryMeta> = {}): StoredRecord {
  const lives = { freshMs: 60_000, keptMs: 120_000, loadMs: 1 };
  return { body: Buffer.from(body), meta: { etag: '"e"', tags: ['t', 'u'], ...lives, ...meta } };
}

function listener(): Heard {
  const heard: Heard = {
    tags: [],
    all: 0,
    invalidated: (tags) => void heard.tags.push(...tags),
    invalidatedAll: () => void (heard.all += 1),
  };
  return heard;
}

/** The contract of `CacheDriver`, for Jest: every driver runs it, and so does one with faults. */
export function describeCacheDriver(name: string, open: () => Promise<DriverStage>): void {
  describe(`a cache driver: ${name}`, () => {
    let stage: DriverStage;
    let one: CacheDriver;
    let other: CacheDriver;
    let heard: Heard;
    const drivers: CacheDriver[] = [];
    const tags = ['t', 'u'];
    let number = 0;
    let key: string;

    beforeAll(async () => {
      stage = await open();
    });
    afterAll(() => stage?.close());
    beforeEach(async () => {
      key = `key ${(number += 1)} "quoted" {slot}`;
      one = await started(listener());
      other = await started((heard = listener()));
    });
    afterEach(async () => {
      for (const driver of drivers.splice(0)) await driver.stop();
    });

    async function started(to: DriverListener): Promise<CacheDriver> {
      const driver = stage.driver();
      drivers.push(driver);
      await driver.start(to);
      return driver;
    }

    /** Has been told by now; or was held up for too long, which leaves it out of step until it is told. */
    async function otherIsTold(told: () => boolean): Promise<void> {
      while (!told()) {
        expect(other.inStep(performance.now())).toBe(false);
        await delay(1);
      }
    }

    async function stored(body: Buffer | string, meta?: Partial<EntryMeta>): Promise<void> {
      const { versions, lease } = await one.read(key, tags, 'always');
      await one.write(key, tags, record(body, meta), versions!, lease);
    }

    it('is in step once it has started, and no more when it has stopped', async () => {
      // Where it was held up since, it comes back by itself.
      while (!one.inStep(performance.now())) await delay(1);
      await one.stop();
      expect(one.inStep(performance.now())).toBe(false);
      expect(await one.comeIntoStep()).toBe(false);
    });

    it('gives the lease of what is not there to one reader alone', async () => {
      const reads = await Promise.all([one, other].map((driver) => driver.read(key, tags, 'unless-fresh')));
      expect(reads.map(({ record }) => record)).toEqual([undefined, undefined]);
      expect(reads.filter(({ lease }) => lease !== undefined)).toHaveLength(1);
      expect(reads[0]!.versions).toBe(reads[1]!.versions);
    });

    it('gives every byte of an entry, and what is kept beside it, to the others', async () => {
      const meta = { contentType: 'text/plain', headers: { vary: 'accept' }, statusCode: 203 };
      await stored(BYTES, meta);
      const read = await other.read(key, tags, 'unless-fresh');
      expect(read.record).toMatchObject({ meta, invalidated: 'no' });
      expect(read.record!.body.equals(BYTES)).toBe(true);
      expect(read.record!.ageMs).toBeLessThan(30_000);
      expect(read.lease).toBeUndefined();
    });

    it('has told every replica when an invalidation is acknowledged', async () => {
      expect(await one.invalidate(['t'], 'hard')).toEqual({ acknowledged: true });
      await otherIsTold(() => heard.tags.length > 0);
      expect(heard.tags).toEqual(['t']);
    });

    it('never gives what was invalidated hard', async () => {
      await stored('old');
      await one.invalidate(['u', 'unknown'], 'hard');
      const read = await other.read(key, tags, 'unless-fresh');
      expect(read.record).toBeUndefined();
      expect(read.lease).toBeDefined();
    });

    it('gives what was invalidated softly, and says so', async () => {
      await stored('old');
      await one.invalidate(['u', 'unknown'], 'soft');
      const read = await other.read(key, tags, 'unless-fresh');
      expect(read.record).toMatchObject({ invalidated: 'soft' });
      expect(read.lease).toBeDefined();
    });

    it.each(['hard', 'soft'] as const)('does not give as fresh what was loaded before (%s)', async (mode) => {
      const before = await one.read(key, tags, 'unless-fresh');
      await other.invalidate(['t'], mode);
      await one.write(key, tags, record('old'), before.versions!, before.lease);
      const read = await other.read(key, tags, 'unless-fresh');
      expect(read.record?.invalidated).not.toBe('no');
    });

    it('holds nobody back by a lease for what is stale by now', async () => {
      await one.read(key, tags, 'unless-fresh');
      await one.invalidate(['t'], 'hard');
      expect((await other.read(key, tags, 'unless-fresh')).lease).toBeDefined();
    });

    it('gives a lease that was given back to the next reader, and with the entry to nobody', async () => {
      const first = await one.read(key, tags, 'unless-fresh');
      await one.release(key, first.lease!);
      const second = await other.read(key, tags, 'unless-fresh');
      expect(second.lease).toBeDefined();
      // Whoever does not hold it cannot give it back.
      await one.release(key, first.lease!);
      expect((await one.read(key, tags, 'unless-fresh')).lease).toBeUndefined();
      await other.write(key, tags, record('new'), second.versions!, second.lease);
      expect((await one.read(key, tags, 'unless-fresh')).lease).toBeUndefined();
      expect((await one.read(key, tags, 'always')).lease).toBeDefined();
    });

    it('gives a lease of what is not fresh any more, and nothing once it is not kept', async () => {
      await stored('old', { freshMs: 1, keptMs: 60_001 });
      while ((await other.read(key, tags, 'unless-fresh')).lease === undefined) await delay(1);
      expect((await other.read(key, tags, 'unless-fresh')).record).toBeDefined();
      await stored('old', { freshMs: 1, keptMs: 2 });
      while ((await other.read(key, tags, 'unless-fresh')).record) await delay(1);
    });

    it('ends everything at once', async () => {
      await stored('old');
      const before = heard.all;
      expect(await one.invalidate(['*'], 'hard')).toEqual({ acknowledged: true });
      await otherIsTold(() => heard.all > before);
      expect((await other.read(key, tags, 'unless-fresh')).record).toBeUndefined();
    });

    it('waits for nobody who has stopped', async () => {
      let leastMs = Infinity;
      // The best of a few, each with another one that has stopped: any of them may be held up by something else.
      for (let turn = 0; turn < 5 && leastMs >= 400; turn += 1) {
        await (turn === 0 ? other : await started(listener())).stop();
        const began = performance.now();
        expect(await one.invalidate(['t'], 'hard')).toEqual({ acknowledged: true });
        leastMs = Math.min(leastMs, performance.now() - began);
      }
      expect(leastMs).toBeLessThan(400);
    });

    it('tells operators what it keeps', async () => {
      expect(await one.explain(key)).toBeUndefined();
      await stored('four');
      expect(await other.explain(key)).toMatchObject({ state: 'valid', tags, bytes: 4 });
      await one.invalidate(['t'], 'soft');
      expect(await other.explain(key)).toMatchObject({ state: 'soft' });
      await one.invalidate(['t'], 'hard');
      expect(await other.explain(key)).toMatchObject({ state: 'invalidated' });
      expect(one.state().status).toBe('up');
    });
  });
}

import fc from 'fast-check';
import { KeyScheduler, type Job } from './key-scheduler.js';

interface Numbered extends Job {
  readonly n: number;
}

describe('bounded concurrency by key', () => {
  it('hands over each key’s jobs in order, one handing-over at a time, never more than it may, for any mix of kinds', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), kind: fc.constantFrom(undefined, 'x', 'y') }),
          {
            maxLength: 80,
          },
        ),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        async (given, concurrency, maxBatch) => {
          const seen = new Map<string, number[]>();
          const busy = new Set<string>();
          let running = 0;
          const scheduler = new KeyScheduler<Numbered>({
            concurrency,
            maxBatch,
            handle: async (jobs) => {
              running += 1;
              expect(running).toBeLessThanOrEqual(concurrency);
              expect(jobs.length).toBeLessThanOrEqual(jobs[0]!.kind === undefined ? 1 : maxBatch);
              const keys = new Set(jobs.map(({ key }) => key));
              for (const key of keys) expect(busy.has(key)).toBe(false);
              for (const key of keys) busy.add(key);
              for (const { key, n, kind } of jobs) {
                expect(kind).toBe(jobs[0]!.kind);
                seen.set(key, [...(seen.get(key) ?? []), n]);
              }
              await new Promise(setImmediate);
              for (const key of keys) busy.delete(key);
              running -= 1;
            },
          });
          given.forEach((job, n) => scheduler.push({ ...job, n }));
          scheduler.pump();
          await scheduler.idle();
          expect(scheduler.pending).toBe(0);
          for (const key of 'abcd') {
            const expected = given.flatMap((job, n) => (job.key === key ? [n] : []));
            expect(seen.get(key) ?? []).toEqual(expected);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('forgets what nobody has begun, and is idle when the rest is done', async () => {
    let finish: () => void = () => undefined;
    const begun: number[] = [];
    const scheduler = new KeyScheduler<Numbered>({
      concurrency: 1,
      maxBatch: 1,
      handle: ([job]) => {
        begun.push(job!.n);
        return new Promise((resolve) => (finish = resolve));
      },
    });
    for (let n = 0; n < 5; n++) scheduler.push({ key: n % 2 ? 'odd' : 'even', kind: undefined, n });
    scheduler.pump();
    expect(
      scheduler
        .drop()
        .map(({ n }) => n)
        .sort((a, b) => a - b),
    ).toEqual([1, 2, 3, 4]);
    const idle = scheduler.idle();
    finish();
    await idle;
    expect(begun).toEqual([0]);
  });
});

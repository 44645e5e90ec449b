import { Deadline, kernelErrors, runInContext } from '@rookery/kernel';
import { WorkQueue } from './work-queue.js';

class Busy extends Error {
  constructor(readonly retryAfterSeconds: number) {
    super('busy');
  }
}

function queueOf(options: { concurrency?: number; limit?: number; maxWaitMs?: number } = {}) {
  const refused: string[] = [];
  const queue = new WorkQueue({
    concurrency: 1,
    limit: 2,
    maxWaitMs: 60_000,
    during: 'waiting',
    busy: (seconds) => new Busy(seconds),
    onRefused: (reason) => refused.push(reason),
    ...options,
  });
  return { queue, refused };
}

/** Work that ends when the test says so. */
function work() {
  let finish: () => void = () => undefined;
  let begin: () => void = () => undefined;
  const end = new Promise<void>((resolve) => (finish = resolve));
  const begun = new Promise<void>((resolve) => (begin = resolve));
  let hasBegun = false;
  return {
    run: async () => {
      hasBegun = true;
      begin();
      await end;
    },
    begun,
    finish,
    get hasBegun() {
      return hasBegun;
    },
  };
}

const within = <T>(deadline: Deadline, run: () => Promise<T>) =>
  runInContext({ requestId: 'test', deadline }, run);
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('WorkQueue', () => {
  it('lets through as many as it may, in the order they came, and gives their results', async () => {
    const { queue } = queueOf({ concurrency: 2, limit: 10 });
    const works = Array.from({ length: 5 }, work);
    const order: number[] = [];
    const results = works.map((each, index) =>
      queue.run(async () => {
        order.push(index);
        await each.run();
        return index;
      }),
    );
    await works[1]!.begun;
    expect([order, queue.running, queue.length]).toEqual([[0, 1], 2, 3]);
    works[1]!.finish();
    await works[2]!.begun;
    expect([order, queue.running, queue.length]).toEqual([[0, 1, 2], 2, 2]);
    for (const each of works) each.finish();
    expect(await Promise.all(results)).toEqual([0, 1, 2, 3, 4]);
    expect([order, queue.running, queue.length]).toEqual([[0, 1, 2, 3, 4], 0, 0]);
  });

  it('goes on after work that failed', async () => {
    const { queue } = queueOf();
    const failed = failureOf(queue.run(() => Promise.reject(new Error('torn'))));
    const next = queue.run(() => Promise.resolve('done'));
    expect(await failed).toMatchObject({ message: 'torn' });
    expect(await next).toBe('done');
    expect(queue.running).toBe(0);
  });

  it('turns away what does not fit, and says when to come again', async () => {
    const { queue, refused } = queueOf({ limit: 1 });
    const first = work();
    const results = [queue.run(first.run), queue.run(() => Promise.resolve())];
    const failure = await failureOf(queue.run(() => Promise.resolve()));
    expect(failure).toBeInstanceOf(Busy);
    expect(failure).toMatchObject({ retryAfterSeconds: 1 });
    expect(refused).toEqual(['full']);
    first.finish();
    await Promise.all(results);
  });

  it('does not begin work whose deadline passes while it waits, and gives its place in the queue away', async () => {
    const { queue, refused } = queueOf({ limit: 1 });
    const [first, late, next] = [work(), work(), work()];
    const done = queue.run(first.run);
    const failure = await failureOf(within(Deadline.after(5), () => queue.run(late.run)));
    expect(kernelErrors.is(failure, 'DEADLINE_EXCEEDED') && failure.data['during']).toBe('waiting');
    expect(queue.length).toBe(0);
    const after = queue.run(next.run);
    first.finish();
    await next.begun;
    next.finish();
    await Promise.all([done, after]);
    expect([late.hasBegun, refused]).toEqual([false, ['waited']]);
  });

  it('does not begin work whose deadline passed unnoticed, the event loop having been busy', async () => {
    const { queue } = queueOf();
    const [first, late] = [work(), work()];
    const deadline = Deadline.after(5);
    const results = [queue.run(first.run), failureOf(within(deadline, () => queue.run(late.run)))];
    await first.begun;
    first.finish();
    // No timer fires between here and the moment the place becomes free.
    while (!deadline.passed);
    const [, failure] = await Promise.all(results);
    expect(kernelErrors.is(failure, 'DEADLINE_EXCEEDED')).toBe(true);
    expect(late.hasBegun).toBe(false);
  });

  it('does not begin work whose deadline has passed already, though nothing waits', async () => {
    const { queue } = queueOf();
    const late = work();
    const failure = await failureOf(within(Deadline.after(-1), () => queue.run(late.run)));
    expect(kernelErrors.is(failure, 'DEADLINE_EXCEEDED')).toBe(true);
    expect([late.hasBegun, queue.running]).toEqual([false, 0]);
  });

  it('waits no longer than its own bound where no deadline is sooner', async () => {
    const { queue, refused } = queueOf({ maxWaitMs: 5 });
    const first = work();
    const done = queue.run(first.run);
    const [bare, patient] = await Promise.all([
      failureOf(queue.run(() => Promise.resolve())),
      failureOf(within(Deadline.after(60_000), () => queue.run(() => Promise.resolve()))),
    ]);
    expect([bare, patient]).toEqual([expect.any(Busy), expect.any(Busy)]);
    expect(refused).toEqual(['waited', 'waited']);
    first.finish();
    await done;
  });
});

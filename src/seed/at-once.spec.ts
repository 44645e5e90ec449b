import { atOnce } from './at-once.js';

describe('atOnce', () => {
  it('does everything, in order of beginning, so many at a time', async () => {
    let running = 0;
    let most = 0;
    const begun: number[] = [];
    await atOnce([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
      begun.push(item);
      most = Math.max(most, (running += 1));
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    });
    expect(begun).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(most).toBe(3);
  });

  it('ends at the first failure, once what was begun has ended', async () => {
    const ended: number[] = [];
    const work = atOnce([1, 2, 3, 4], 2, async (item) => {
      await new Promise((resolve) => setImmediate(resolve));
      ended.push(item);
      if (item === 1) throw new Error('one');
    });
    await expect(work).rejects.toThrow('one');
    expect(ended).toEqual([1, 2]);
  });

  it('ends when it is told to', async () => {
    const stop = new AbortController();
    const begun: number[] = [];
    const work = atOnce(
      [1, 2, 3, 4],
      1,
      (item) => {
        begun.push(item);
        if (item === 2) stop.abort(new Error('enough'));
        return Promise.resolve();
      },
      stop.signal,
    );
    await expect(work).rejects.toThrow('enough');
    expect(begun).toEqual([1, 2]);
  });
});

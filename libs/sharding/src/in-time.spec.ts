import { stat } from 'node:fs/promises';
import { inTime, NoAnswer } from './in-time.js';

describe('an answer in time', () => {
  it('is given as it is, a refusal too', async () => {
    await expect(inTime(Promise.resolve(7), 10_000)).resolves.toBe(7);
    await expect(inTime(Promise.reject(new Error('no')), 10_000)).rejects.toThrow('no');
  });

  it('is not waited for longer', async () => {
    await expect(inTime(new Promise(() => undefined), 50)).rejects.toBeInstanceOf(NoAnswer);
  });

  it('is not late because this process was held up', async () => {
    const answer = inTime(
      stat(import.meta.dirname).then((found) => found.isDirectory()),
      1_000,
    );
    const until = performance.now() + 1_200;
    while (performance.now() < until);
    await expect(answer).resolves.toBe(true);
  });
});

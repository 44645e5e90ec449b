import { jest } from '@jest/globals';
import { Deadline } from './deadline.js';
import { kernelErrors } from './kernel.errors.js';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const exceeded = (during: string) =>
  expect.objectContaining({
    code: kernelErrors.codes.DEADLINE_EXCEEDED,
    message: expect.stringContaining(during) as string,
  }) as Error;

afterEach(() => {
  jest.restoreAllMocks();
});

describe('a deadline', () => {
  it('passes once its budget is used up', () => {
    const now = jest.spyOn(performance, 'now').mockReturnValue(1_000);
    const deadline = Deadline.after(20);
    now.mockReturnValue(1_019);
    expect(deadline.passed).toBe(false);
    expect(deadline.remaining()).toBe(1);
    deadline.check('nothing');
    now.mockReturnValue(1_020);
    expect(deadline.passed).toBe(true);
    expect(deadline.remaining()).toBe(0);
    expect(() => deadline.check('fishing')).toThrow(exceeded('fishing'));
  });

  it('is shortened by a sooner one and never put off by a later one', () => {
    const deadline = Deadline.after(1_000);
    expect(deadline.within(50).remaining()).toBeLessThanOrEqual(50);
    expect(deadline.within(5_000)).toBe(deadline);
  });

  it('ends a wait, and leaves no unhandled rejection behind when the work fails later', async () => {
    let fail: (error: Error) => void = () => undefined;
    const work = new Promise<never>((_, reject) => {
      fail = reject;
    });
    await expect(Deadline.after(10).race(work, 'waiting')).rejects.toEqual(exceeded('waiting'));
    fail(new Error('too late'));
    await pause(5);
  });

  it('gives what the work gives, in time', async () => {
    await expect(Deadline.after(1_000).race(Promise.resolve(7), 'x')).resolves.toBe(7);
    await expect(Deadline.after(1_000).race(Promise.reject(new Error('no')), 'x')).rejects.toThrow('no');
  });

  it('says what was under way, and why', () => {
    const cause = new Error('cancelled by the server');
    expect(Deadline.after(250).exceeded('running a statement', cause)).toMatchObject({
      status: 504,
      retryable: true,
      cause,
      data: { budgetMs: 250, during: 'running a statement' },
    });
  });
});

import { RetryBudget } from './retry-budget.js';

function withClock(options: { ratio?: number; perSecond?: number } = {}) {
  let now = 0;
  const clock = { now: () => now, monotonic: () => now };
  return { budget: new RetryBudget({ ...options, clock }), pass: (ms: number) => (now += ms) };
}

function taken(budget: RetryBudget): number {
  let count = 0;
  while (budget.withdraw()) count += 1;
  return count;
}

describe('a retry budget', () => {
  it('is a share of the calls, and some per second', () => {
    const { budget, pass } = withClock({ ratio: 0.25 });
    expect(taken(budget)).toBe(10);
    for (let call = 0; call < 100; call++) budget.deposit();
    expect(taken(budget)).toBe(25);
    pass(1_000);
    expect(taken(budget)).toBe(10);
  });

  it('keeps what is not used for ten seconds, and no longer', () => {
    const { budget, pass } = withClock();
    pass(3_600_000);
    for (let call = 0; call < 10_000; call++) budget.deposit();
    expect(taken(budget)).toBe(100);
  });

  it('of nothing allows none', () => {
    const { budget, pass } = withClock({ ratio: 0, perSecond: 0 });
    pass(60_000);
    budget.deposit();
    expect(budget.hasRoom).toBe(false);
    expect(budget.withdraw()).toBe(false);
  });
});

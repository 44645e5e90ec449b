import { systemClock, type Clock } from '@rookery/kernel';

export interface RetryBudgetOptions {
  /** Retries per call. @default 0.2 */
  readonly ratio?: number;
  /** Retries per second besides, so that a client of few calls may retry at all. @default 10 */
  readonly perSecond?: number;
  readonly clock?: Clock;
}

/** What is not used is kept for this long, at most. */
const WINDOW_S = 10;

/**
 * How much of a client's load may be retries: at most `ratio` of its calls and `perSecond`, so that a server in trouble gets
 * a little more load from those who retry, never a multiple (Finagle's RetryBudget; Google SRE, "Handling Overload").
 */
export class RetryBudget {
  private readonly ratio: number;
  private readonly perSecond: number;
  private readonly clock: Clock;
  private balance: number;
  private countedAt: number;

  constructor({ ratio = 0.2, perSecond = 10, clock = systemClock }: RetryBudgetOptions = {}) {
    this.ratio = ratio;
    this.perSecond = perSecond;
    this.clock = clock;
    this.balance = perSecond;
    this.countedAt = clock.monotonic();
  }

  /** A call is made: the first attempt, not a retry. */
  deposit(): void {
    this.settle(this.ratio);
  }

  /** Whether a retry could be made now. */
  get hasRoom(): boolean {
    this.settle(0);
    return this.balance >= 1;
  }

  /** Takes a retry out; false where there is none. */
  withdraw(): boolean {
    if (!this.hasRoom) return false;
    this.balance -= 1;
    return true;
  }

  private settle(more: number): void {
    const now = this.clock.monotonic();
    const earned = ((now - this.countedAt) / 1000) * this.perSecond + more;
    this.countedAt = now;
    this.balance = Math.min(this.balance + earned, Math.max(1, this.perSecond * WINDOW_S));
  }
}

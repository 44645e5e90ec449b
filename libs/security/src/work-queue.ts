import { currentDeadline, Deadline } from '@rookery/kernel';

export interface WorkQueueOptions {
  /** Pieces of work under way at once. */
  readonly concurrency: number;
  /** Pieces that may wait. */
  readonly limit: number;
  /** Longest wait in milliseconds where the request's own deadline is not sooner. */
  readonly maxWaitMs: number;
  /** What is waited for, in the words of the deadline's error: "waiting to hash a password". */
  readonly during: string;
  /** The error for work that is turned away. */
  readonly busy: (retryAfterSeconds: number) => Error;
  /** Told why a piece of work was never begun. */
  readonly onRefused: (reason: 'full' | 'waited') => void;
}

interface Waiter {
  readonly deadline: Deadline;
  readonly begin: () => void;
  readonly refuse: () => void;
}

/** Weight of the latest duration in the estimate of the next. */
const SMOOTHING = 0.2;

/**
 * Work that is heavy enough to stop everything else, let through a few pieces at a time, first come first served.
 * Promises: never more than `concurrency` under way, never more than `limit` waiting; work whose caller has stopped
 * waiting is not begun; work that was begun is finished.
 */
export class WorkQueue {
  private readonly waiting: Waiter[] = [];
  private underWay = 0;
  private typicalMs = 50;

  constructor(private readonly options: WorkQueueOptions) {}

  get length(): number {
    return this.waiting.length;
  }

  get running(): number {
    return this.underWay;
  }

  /**
   * @throws what `busy` makes where the queue is full, or `maxWaitMs` passed
   * @throws RK_KERNEL_DEADLINE_EXCEEDED where the request's deadline passed first
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.admission();
    const begun = performance.now();
    try {
      return await work();
    } finally {
      this.typicalMs += SMOOTHING * (performance.now() - begun - this.typicalMs);
      this.next();
    }
  }

  private admission(): Promise<void> | undefined {
    const caller = currentDeadline();
    if (caller?.passed) {
      this.options.onRefused('waited');
      throw caller.exceeded(this.options.during);
    }
    if (this.underWay < this.options.concurrency) {
      this.underWay += 1;
      return undefined;
    }
    if (this.waiting.length >= this.options.limit) {
      this.options.onRefused('full');
      throw this.options.busy(this.retryAfterSeconds());
    }
    return this.wait(caller);
  }

  private wait(caller: Deadline | undefined): Promise<void> {
    const { during, busy, maxWaitMs, onRefused } = this.options;
    const deadline = caller?.within(maxWaitMs) ?? Deadline.after(maxWaitMs);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        deadline,
        begin: () => {
          clearTimeout(timer);
          resolve();
        },
        refuse: () => {
          clearTimeout(timer);
          onRefused('waited');
          reject(deadline === caller ? deadline.exceeded(during) : busy(this.retryAfterSeconds()));
        },
      };
      const timer = setTimeout(() => {
        const place = this.waiting.indexOf(waiter);
        if (place === -1) return;
        this.waiting.splice(place, 1);
        waiter.refuse();
      }, deadline.remaining());
      this.waiting.push(waiter);
    });
  }

  /** Hands the place that became free to the first that still wants it. */
  private next(): void {
    for (;;) {
      const waiter = this.waiting.shift();
      if (waiter === undefined) {
        this.underWay -= 1;
        return;
      }
      // A busy event loop may bring us here before the waiter's own timer.
      if (!waiter.deadline.passed) return waiter.begin();
      waiter.refuse();
    }
  }

  private retryAfterSeconds(): number {
    const turns = Math.ceil((this.waiting.length + 1) / this.options.concurrency);
    return Math.max(1, Math.ceil((turns * this.typicalMs) / 1000));
  }
}

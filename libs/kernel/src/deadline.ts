import { kernelErrors } from './kernel.errors.js';
import type { CodedError } from './errors.js';

/**
 * The moment by which the caller of this work will have stopped waiting. Made once at the edge and handed down to
 * everything that waits: pools, statements, queues, calls.
 */
export class Deadline {
  private constructor(
    /** On the clock of `performance.now()`. */
    readonly at: number,
    /** What was given at the start, in milliseconds. */
    readonly budgetMs: number,
  ) {}

  static after(budgetMs: number): Deadline {
    return new Deadline(performance.now() + budgetMs, budgetMs);
  }

  /** Milliseconds left; negative once passed. */
  remaining(): number {
    return this.at - performance.now();
  }

  get passed(): boolean {
    return this.remaining() <= 0;
  }

  /** This deadline, or one `ms` from now where that comes sooner. */
  within(ms: number): Deadline {
    return ms < this.remaining() ? Deadline.after(ms) : this;
  }

  /** @throws RK_KERNEL_DEADLINE_EXCEEDED once passed; `during` says what was under way ("waiting for a connection"). */
  check(during: string): void {
    if (this.passed) throw this.exceeded(during);
  }

  exceeded(during: string, cause?: unknown): CodedError {
    return kernelErrors.create('DEADLINE_EXCEEDED', {
      data: { budgetMs: Math.round(this.budgetMs), during },
      cause,
    });
  }

  /**
   * Waits for `work`, at most until the deadline. The work itself is not stopped: whoever started it must be.
   * @throws RK_KERNEL_DEADLINE_EXCEEDED
   */
  async race<T>(work: Promise<T>, during: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.exceeded(during)), Math.max(0, this.remaining()));
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

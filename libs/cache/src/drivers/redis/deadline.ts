import { cacheErrors } from '../../cache.errors.js';

/**
 * Waits for an answer of Redis, for so long. node-redis has a timeout of its own for commands that are not sent yet only: a
 * server that is frozen has taken them.
 * @throws RK_CACHE_REDIS_AWAY when it is late
 */
export function within<T>(limitMs: number, answer: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const refuse = () => reject(away(`nothing came for ${limitMs} ms`));
    // A process that was busy meanwhile looks at its sockets first: the answer may lie there.
    const timer = setTimeout(() => setImmediate(refuse), limitMs);
    answer.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

interface Wait {
  readonly until: number;
  /** Nothing once it has its answer. */
  refuse: (() => void) | undefined;
}

/**
 * Waits as `within`, for many answers by one timer: a timer for each would cost more than a fast Redis takes to answer.
 * To be used for answers of about the same limit that come about in order.
 */
export class Deadlines {
  private waits: Wait[] = [];
  private wakesAt = Infinity;

  /** Calls one of both, once. `late` is given RK_CACHE_REDIS_AWAY. */
  wait<T>(
    answer: Promise<T>,
    limitMs: number,
    given: (value: T) => void,
    failed: (error: unknown) => void,
  ): void {
    const until = performance.now() + limitMs;
    const wait: Wait = { until, refuse: () => failed(away(`nothing came for ${limitMs} ms`)) };
    this.waits.push(wait);
    if (until < this.wakesAt) this.wakeAt(until, limitMs);
    answer.then(
      (value) => {
        if (this.isAnswered(wait)) given(value);
      },
      (error: unknown) => {
        if (this.isAnswered(wait)) failed(error);
      },
    );
  }

  /** Whether it was waited for until now. */
  private isAnswered(wait: Wait): boolean {
    if (wait.refuse === undefined) return false;
    wait.refuse = undefined;
    while (this.waits[0] !== undefined && this.waits[0].refuse === undefined) this.waits.shift();
    return true;
  }

  private wakeAt(at: number, inMs: number): void {
    this.wakesAt = at;
    // A process that was busy meanwhile looks at its sockets first: the answer may lie there.
    const wake = () => {
      if (at === this.wakesAt) setImmediate(() => this.refuseLate());
    };
    setTimeout(wake, inMs).unref();
  }

  private refuseLate(): void {
    const now = performance.now();
    const late = this.waits.filter(({ until }) => until <= now);
    this.waits = this.waits.filter(({ refuse, until }) => refuse !== undefined && until > now);
    this.wakesAt = Infinity;
    const next = Math.min(...this.waits.map(({ until }) => until));
    if (next < Infinity) this.wakeAt(next, next - now);
    for (const wait of late) {
      const { refuse } = wait;
      wait.refuse = undefined;
      refuse?.();
    }
  }
}

export function away(reason: string, cause?: unknown): Error {
  return cacheErrors.create('REDIS_AWAY', { data: { reason }, cause });
}

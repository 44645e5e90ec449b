/** A piece of work about one key. */
export interface Job {
  readonly key: string;
  /** Jobs of one kind may be handed over together; undefined: alone. */
  readonly kind: unknown;
}

export interface KeySchedulerOptions<J extends Job> {
  /** Handings-over under way at once. */
  readonly concurrency: number;
  /** Most jobs of one kind in one handing-over. */
  readonly maxBatch: number;
  /** Does the jobs, in order; settles when they are dealt with, whatever became of them, and never rejects. */
  readonly handle: (jobs: readonly J[]) => Promise<void>;
}

/**
 * Bounded concurrency by key: jobs of one key run one after the other in the order they came, others beside them. A key
 * that takes its time keeps nobody but itself waiting, as long as there are fewer of them than `concurrency`.
 */
export class KeyScheduler<J extends Job> {
  private readonly queues = new Map<string, J[]>();
  private ready: string[] = [];
  private running = 0;
  private waiting = 0;
  private onIdle: (() => void)[] = [];

  constructor(private readonly options: KeySchedulerOptions<J>) {}

  /** Jobs that are not dealt with yet. */
  get pending(): number {
    return this.waiting;
  }

  push(job: J): void {
    this.waiting += 1;
    const queue = this.queues.get(job.key);
    if (queue) {
      queue.push(job);
      return;
    }
    this.queues.set(job.key, [job]);
    this.ready.push(job.key);
  }

  /** Starts what may start: after one or many `push`. */
  pump(): void {
    while (this.running < this.options.concurrency && this.ready.length > 0) {
      const { keys, jobs } = this.take();
      this.running += 1;
      void this.options.handle(jobs).finally(() => {
        this.running -= 1;
        this.waiting -= jobs.length;
        for (const key of keys) {
          if (this.queues.get(key)!.length > 0) this.ready.push(key);
          else this.queues.delete(key);
        }
        if (this.waiting === 0) this.tellIdle();
        this.pump();
      });
    }
  }

  /** Forgets jobs that nobody has begun. Gives them. */
  drop(): J[] {
    const dropped: J[] = [];
    for (const queue of this.queues.values()) dropped.push(...queue.splice(0));
    for (const key of this.ready) this.queues.delete(key);
    this.ready = [];
    this.waiting -= dropped.length;
    if (this.waiting === 0) this.tellIdle();
    return dropped;
  }

  /** Resolves when every job is dealt with. */
  idle(): Promise<void> {
    if (this.waiting === 0) return Promise.resolve();
    return new Promise((resolve) => this.onIdle.push(resolve));
  }

  /**
   * The key that is ready longest, with what may go along with it. A key stays in `queues`, with what is left of it, while
   * its jobs run: so nothing else of it is ready.
   */
  private take(): { keys: string[]; jobs: J[] } {
    const { kind } = this.queues.get(this.ready[0]!)![0]!;
    const most = kind === undefined ? 1 : this.options.maxBatch;
    const jobs: J[] = [];
    let keys = 0;
    while (keys < this.ready.length && jobs.length < most) {
      const queue = this.queues.get(this.ready[keys]!)!;
      let run = 0;
      while (run < queue.length && jobs.length + run < most && queue[run]!.kind === kind) run += 1;
      if (run === 0) break;
      jobs.push(...queue.splice(0, run));
      keys += 1;
    }
    return { keys: this.ready.splice(0, keys), jobs };
  }

  private tellIdle(): void {
    const told = this.onIdle;
    this.onIdle = [];
    for (const resolve of told) resolve();
  }
}

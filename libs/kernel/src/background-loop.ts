import { kernelErrors } from './kernel.errors.js';
import { noopMeter, type Meter } from './meter.js';

export interface BackgroundLoopOptions {
  /** Bounded label for metrics and logs. */
  readonly name: string;
  /** One turn. Aborting means: finish what must not be torn, then return. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** Milliseconds between the end of a turn and the start of the next, ±10% so that replicas do not march in step. */
  readonly intervalMs: number;
  /** A turn that takes longer is aborted and counts as failed. @default 30000 */
  readonly turnLimitMs?: number;
  /** The wait doubles with each failure in a row, up to this. @default 30000 */
  readonly maxBackoffMs?: number;
  /** Told of each failed turn; the loop goes on. */
  readonly onError?: (error: unknown) => void;
  readonly meter?: Meter;
}

/**
 * A loop beside the requests: one turn at a time, bounded in time, woken early on demand, stopped in order.
 * Promises: never two turns at once; `stop` resolves once the turn under way has returned; a failed turn is counted
 * (`rookery_loop_turns_total{loop,outcome}`), reported, and followed by a backoff.
 */
export class BackgroundLoop {
  private readonly abort = new AbortController();
  private turnUnderWay: AbortController | undefined;
  private running: Promise<void> | undefined;
  private wakeUp: (() => void) | undefined;
  private pendingWake = false;
  private failuresInARow = 0;

  constructor(private readonly options: BackgroundLoopOptions) {}

  get name(): string {
    return this.options.name;
  }

  /** Failures since the last turn that succeeded. */
  get failures(): number {
    return this.failuresInARow;
  }

  start(): void {
    this.running ??= this.turnUntilStopped();
  }

  /** Ends the present wait: the next turn starts at once, or right after the one under way. */
  wake(): void {
    this.pendingWake = true;
    this.wakeUp?.();
  }

  async stop(): Promise<void> {
    this.abort.abort();
    this.turnUnderWay?.abort();
    this.wakeUp?.();
    await this.running;
  }

  private async turnUntilStopped(): Promise<void> {
    const { name, meter = noopMeter, turnLimitMs = 30_000 } = this.options;
    const turns = meter.counter({
      name: 'rookery_loop_turns_total',
      help: 'Turns of background loops by outcome',
      labels: ['loop', 'outcome'],
    });
    while (!this.abort.signal.aborted) {
      this.pendingWake = false;
      try {
        await this.turn(turnLimitMs);
        this.failuresInARow = 0;
        turns.add(1, { loop: name, outcome: 'ok' });
      } catch (error) {
        if (this.abort.signal.aborted) return;
        this.failuresInARow += 1;
        turns.add(1, { loop: name, outcome: 'error' });
        this.options.onError?.(error);
      }
      await this.pause();
    }
  }

  /** One turn under a signal of its own: a combination with the loop's would outlive the turn in the loop's signal. */
  private async turn(limitMs: number): Promise<void> {
    const controller = new AbortController();
    let overran = false;
    const limit = setTimeout(() => {
      overran = true;
      controller.abort();
    }, limitMs);
    limit.unref();
    this.turnUnderWay = controller;
    try {
      await this.options.run(controller.signal);
    } finally {
      clearTimeout(limit);
      this.turnUnderWay = undefined;
    }
    if (overran) {
      throw kernelErrors.create('TURN_OVERRAN', { data: { loop: this.options.name, limitMs } });
    }
  }

  private async pause(): Promise<void> {
    if (this.pendingWake || this.abort.signal.aborted) return;
    const backoff = Math.min(
      this.options.intervalMs * 2 ** Math.min(this.failuresInARow, 10),
      Math.max(this.options.maxBackoffMs ?? 30_000, this.options.intervalMs),
    );
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, backoff * (0.9 + Math.random() * 0.2));
      timer.unref();
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wakeUp = undefined;
  }
}

import type { Meter } from '@rookery/kernel';

/** A class, since it is a token as well. */
export abstract class RemovalOptions {
  /** Milliseconds without a confirmation after which the rest is asked again; four times as many after each time. */
  abstract readonly timeoutMs: number;
  abstract readonly meter: Meter;
  /** Told when a removal is given up. */
  abstract readonly onWarning: (message: string) => void;
}

/** Where time comes from. Tests may give their own; nothing else may. */
export interface Clock {
  /** Milliseconds since 1970, for what is stored or shown. May jump. */
  now(): number;
  /** Milliseconds of a clock that never goes back, for durations and deadlines. */
  monotonic(): number;
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };

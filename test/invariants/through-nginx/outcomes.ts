/** One request, from its sending to its end. */
export interface Outcome {
  readonly kind: string;
  readonly reads: boolean;
  /** Whether it needs nothing of the shard with a server of its own. */
  readonly elsewhere: boolean;
  readonly from: number;
  readonly to: number;
  /** What came in place of a success. */
  readonly failure?: string;
}

/** Failures less than this apart are of one window. */
const APART_MS = 1_000;

/** Milliseconds of the longest time in which requests failed: from the sending of its first to the end of its last. */
export function longestWindowMs(outcomes: readonly Outcome[]): number {
  const failed = outcomes.filter(({ failure }) => failure !== undefined).sort((a, b) => a.from - b.from);
  let [longest, from, to] = [0, 0, -Infinity];
  for (const one of failed) {
    if (one.from > to + APART_MS) from = one.from;
    to = Math.max(to, one.to);
    longest = Math.max(longest, to - from);
  }
  return longest;
}

/** Milliseconds of the longest answer that was a success. */
export function slowestMs(outcomes: readonly Outcome[]): number {
  return outcomes.reduce(
    (most, { from, to, failure }) => (failure === undefined ? Math.max(most, to - from) : most),
    0,
  );
}

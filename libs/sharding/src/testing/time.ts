import type { Deadline } from '@rookery/kernel';

/**
 * For tests that are not about the end of any of these: nobody looks at a shard without a reason, and a machine that does
 * other things as well may take its time. The deadline is below the directory's lease, as everywhere.
 */
export const STEADY = {
  pollMs: 600_000,
  leaseMs: 1_200_000,
  connectTimeoutMs: 30_000,
  defaultDeadlineMs: 14_000,
} as const;

/** Has a long deadline end soon, once what had to happen before its end has happened, however long that took. */
export function endSoon(deadline: Deadline, ms = 100): void {
  Object.assign(deadline, { at: performance.now() + ms });
}

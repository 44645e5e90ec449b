/** `degraded`: works with less (one shard of several is away). `down`: nothing of it works. */
export type HealthStatus = 'up' | 'degraded' | 'down';

export interface HealthReport {
  readonly status: HealthStatus;
  /** Shown on the operations port only. No secrets, no URLs with passwords. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * Port: how a library tells its state. `check` answers from what is already known wherever it can, and within
 * `timeoutMs` always; it never throws.
 */
export interface HealthProbe {
  readonly name: string;
  /** Whether the replica must not take traffic while this one is `down`. A dependency that only degrades says false. */
  readonly critical: boolean;
  check(timeoutMs: number): Promise<HealthReport>;
}

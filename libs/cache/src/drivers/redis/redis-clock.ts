/** A bound that is older gives way to a worse one: clocks drift, and are set. */
const RENEWED_AFTER_MS = 10_000;

/**
 * What the clock of Redis shows, as far as beats tell: one that was sent at a moment and heard at another has seen it in
 * between. Ages are counted by it alone, and rather too long than too short; no clocks of two machines are compared.
 */
export class RedisClock {
  private born: string | undefined;
  private shown = 0;
  private sentAt = 0;
  private heardAt = 0;

  /** A beat that has seen `shown`. The one that took the shortest time is believed. `born`: of which Redis. */
  hear(born: string, shown: number, sentAt: number, heardAt: number): void {
    const isBetter = heardAt - sentAt <= this.heardAt - this.sentAt;
    if (born === this.born && !isBetter && heardAt - this.heardAt < RENEWED_AFTER_MS) return;
    Object.assign(this, { born, shown, sentAt, heardAt });
  }

  /** What it shows at the local moment `now`, or less. */
  atLeast(now: number): number | undefined {
    return this.born === undefined ? undefined : this.shown + now - this.heardAt;
  }

  /** What it shows at the local moment `now`, or more. */
  atMost(now: number): number | undefined {
    return this.born === undefined ? undefined : this.shown + now - this.sentAt;
  }
}

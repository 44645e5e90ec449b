/**
 * Whether this replica may trust what it keeps. It sends itself beats through Redis, and each that it hears by its own
 * subscription proves that it has heard all that was announced before: so it is in step until `trustMs` after that beat was
 * *sent*. Only its own monotonic clock is asked.
 */
export class Step {
  private trustedUntil = -Infinity;
  private readonly sent = new Map<number, number>();
  private count = 0;
  private born: string | undefined;
  private mustForget = false;

  constructor(
    private readonly trustMs: number,
    /** Called before it is in step again, when something may have been missed. */
    private readonly forget: () => void,
  ) {}

  isIn(now: number): boolean {
    return now < this.trustedUntil;
  }

  /** Beats that were sent and not heard. */
  get unheard(): number {
    return this.sent.size;
  }

  /** When the oldest beat was sent that was not heard. */
  get unheardSince(): number | undefined {
    return this.sent.values().next().value;
  }

  nextBeat(now: number): number {
    this.sent.set((this.count += 1), now);
    return this.count;
  }

  /** `born` changes when Redis, or whoever was there, cannot vouch for what was before. Milliseconds the beat took. */
  hear(beat: number, born: string, now: number): number | undefined {
    const sentAt = this.sent.get(beat);
    if (sentAt === undefined) return undefined;
    for (const earlier of this.sent.keys()) if (earlier <= beat) this.sent.delete(earlier);
    if (this.mustForget || born !== this.born) this.forget();
    this.mustForget = false;
    this.born = born;
    this.trustedUntil = Math.max(this.trustedUntil, sentAt + this.trustMs);
    return now - sentAt;
  }

  /** A beat that will not be heard. */
  failed(beat: number): void {
    this.sent.delete(beat);
  }

  /** Out of step at once; beats that are under way prove nothing. */
  lose(reason: { readonly missed: boolean }): void {
    this.trustedUntil = -Infinity;
    this.sent.clear();
    this.mustForget ||= reason.missed;
  }
}

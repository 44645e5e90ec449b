interface Wait {
  readonly missing: Set<string>;
  readonly done: (silent: readonly string[]) => void;
}

/** Who has confirmed what this replica announced. An acknowledgement may come before it is known who has to give one. */
export class Acknowledgements {
  private readonly waits = new Map<number, Wait>();
  private readonly early = new Map<number, string[]>();
  private count = 0;

  /** The number of an announcement; acknowledgements of it are kept from now on. */
  begin(): number {
    this.count += 1;
    this.early.set(this.count, []);
    return this.count;
  }

  /** Whoever of `replicas` is silent still after `limitMs`. */
  whenGiven(announcement: number, replicas: readonly string[], limitMs: number): Promise<readonly string[]> {
    const early = this.early.get(announcement) ?? [];
    this.early.delete(announcement);
    const missing = new Set(replicas.filter((replica) => !early.includes(replica)));
    if (missing.size === 0) return Promise.resolve([]);
    return new Promise((resolve) => {
      const timer = setTimeout(() => done([...missing]), limitMs);
      const done = (silent: readonly string[]) => {
        clearTimeout(timer);
        this.waits.delete(announcement);
        resolve(silent);
      };
      this.waits.set(announcement, { missing, done });
    });
  }

  give(announcement: number, replica: string): void {
    const wait = this.waits.get(announcement);
    if (!wait) this.early.get(announcement)?.push(replica);
    else if (wait.missing.delete(replica) && wait.missing.size === 0) wait.done([]);
  }

  /** The announcement was not made. */
  forget(announcement: number): void {
    this.early.delete(announcement);
  }
}

interface Entry {
  readonly offset: bigint;
  done: boolean;
}

/**
 * Which offset of a partition may be committed: the one after the longest run of messages, from the first, that are all
 * dealt with. Offsets grow but may have gaps.
 */
export class OffsetPrefix {
  private open: Entry[] = [];
  /** Of `open`: how many are passed, and wait to be cut off together. */
  private passed = 0;
  private after: bigint | undefined;

  /** The offset to commit: that of the first message which is not dealt with. Undefined until one is. */
  get next(): bigint | undefined {
    return this.after;
  }

  /** Messages that are taken and not passed by `next`. */
  get size(): number {
    return this.open.length - this.passed;
  }

  /** Takes the next message. @returns what to call once it is dealt with */
  take(offset: bigint): () => void {
    const entry: Entry = { offset, done: false };
    this.open.push(entry);
    return () => {
      entry.done = true;
      this.advance();
    };
  }

  private advance(): void {
    const { open } = this;
    const before = this.passed;
    while (open[this.passed]?.done) this.passed += 1;
    if (this.passed === before) return;
    this.after = open[this.passed - 1]!.offset + 1n;
    // Each is moved once, not once for every message before it.
    if (this.passed * 2 < open.length) return;
    this.open = open.slice(this.passed);
    this.passed = 0;
  }
}

interface Entry {
  readonly offset: bigint;
  done: boolean;
}

/**
 * Which offset of a partition may be committed: the one after the longest run of messages, from the first, that are all
 * dealt with. Offsets grow but may have gaps.
 */
export class OffsetPrefix {
  private readonly open: Entry[] = [];
  private after: bigint | undefined;

  /** The offset to commit: that of the first message which is not dealt with. Undefined until one is. */
  get next(): bigint | undefined {
    return this.after;
  }

  /** Messages that are taken and not passed by `next`. */
  get size(): number {
    return this.open.length;
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
    let passed = 0;
    while (this.open[passed]?.done) passed += 1;
    if (passed === 0) return;
    this.after = this.open[passed - 1]!.offset + 1n;
    this.open.splice(0, passed);
  }
}

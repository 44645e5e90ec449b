/** What the labels of a folded recording are called. */
export const OTHER = 'other';

const MAX_VALUE_LENGTH = 128;

/**
 * The label sets of one metric, bounded: the first `max` are kept, what comes after is folded into one set whose every
 * label is `other`. Each series costs memory here and in Prometheus for as long as it is kept, so a label that a client
 * can choose must not be able to make them without end.
 */
export class LabelSets {
  private readonly known = new Map<string, Record<string, string>>();
  private readonly folded: Record<string, string>;

  constructor(
    private readonly names: readonly string[],
    private readonly max: number,
    private readonly onFold: () => void,
  ) {
    this.folded = Object.fromEntries(names.map((name) => [name, OTHER]));
  }

  /** The one object of this label set; names that were not declared are left out, missing values are empty. */
  admit(labels: Readonly<Record<string, string>>): Record<string, string> {
    let key = '';
    for (const name of this.names) key += `${labels[name] ?? ''}\u0000`;
    const present = this.known.get(key);
    if (present !== undefined) return present;
    if (this.known.size >= this.max) {
      this.onFold();
      return this.folded;
    }
    const admitted = Object.fromEntries(
      this.names.map((name) => [name, String(labels[name] ?? '').slice(0, MAX_VALUE_LENGTH)]),
    );
    this.known.set(key, admitted);
    return admitted;
  }

  /** Whether this is the set that holds what was not admitted. */
  isFolded(set: Record<string, string>): boolean {
    return set === this.folded;
  }
}

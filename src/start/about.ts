/** What the start page tells of the site, and where it leads. Paths are those of this address. */
export interface About {
  readonly name: string;
  readonly description: string;
  readonly version: string;
  readonly links: readonly Link[];
  /** `http://127.0.0.1:3001`, where a reader is to know it; asked at each answer. */
  readonly operationsUrl: () => string | undefined;
}

export interface Link {
  /** For programs: `docs`. */
  readonly name: string;
  readonly href: string;
  /** For people: "what it can be asked, to be tried out". */
  readonly text: string;
}

/** What is at the operations port. */
export const OPERATIONS: readonly Link[] = [
  { name: 'metrics', href: '/metrics', text: 'what Prometheus reads' },
  { name: 'health', href: '/health', text: 'every indicator, with details' },
];

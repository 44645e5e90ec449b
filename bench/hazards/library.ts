/** A library under test. */
export interface Library {
  /** Title of its column. */
  readonly name: string;
  /** One replica of a site that uses it as its documentation says, with entries that live a minute. */
  open(redisUrl: string): Promise<Replica>;
}

export type Load = () => Promise<unknown>;

export interface Replica {
  /** What is kept of the key, or else what the load gives, which is kept from then on. */
  read(key: string, load: Load): Promise<unknown>;
  /** To be called after a write: the next readers are to see what was written. */
  invalidate(key: string): Promise<unknown>;
  /** Forgets all that was kept, by the library's own means. */
  reset(): Promise<unknown>;
  /**
   * Asks as one viewer for a page that says who asks, then as another one, and says whether that one got their own;
   * undefined where the library keeps no pages.
   */
  readonly secondViewerGetsOwnPage?: () => Promise<boolean>;
}

export const TTL_MS = 60_000;

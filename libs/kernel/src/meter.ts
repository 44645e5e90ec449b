/** Labels of a metric. Bounded sets only: never a raw key, an id or a path that a client chose. */
export type Labels = Readonly<Record<string, string>>;

export interface MetricOptions {
  /** Prometheus name with its unit: `rookery_sharding_pool_wait_seconds`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

export interface Counter {
  add(value?: number, labels?: Labels): void;
}
export interface Histogram {
  /**
   * Base units: seconds, bytes. Labels that are frozen may be known by their object alone, which makes recording with the
   * same one again cheaper than with another that says the same.
   */
  observe(value: number, labels?: Labels): void;
}

/**
 * Port: where a library's measurements go. Instruments are made once, when the library starts; asking twice for one name
 * gives the same instrument. Recording never throws and never waits.
 */
export interface Meter {
  counter(options: MetricOptions): Counter;
  histogram(options: MetricOptions & { readonly buckets?: readonly number[] }): Histogram;
  /** `read` is called at each scrape and gives the present value by labels. Returns a function that ends it. */
  gauge(options: MetricOptions, read: () => Iterable<{ value: number; labels?: Labels }>): () => void;
}

const nothing = { add: () => undefined, observe: () => undefined };

/** The default: measurements go nowhere. */
export const noopMeter: Meter = {
  counter: () => nothing,
  histogram: () => nothing,
  gauge: () => () => undefined,
};

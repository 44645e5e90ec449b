import type { Labels, MetricOptions } from '@rookery/kernel';
import type { LabelSets } from './label-sets.js';

interface Series {
  readonly labels: Labels;
  /** How many values fell into each bucket; those above the last one are in `count` alone. */
  readonly counts: number[];
  sum: number;
  count: number;
}

interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/**
 * A histogram as a registry of prom-client reads it. prom-client's own checks and hashes the labels of every value anew,
 * which costs an answer from memory more than all else that is told of it.
 */
export class SeriesHistogram {
  readonly type = 'histogram';
  readonly aggregator = 'sum';
  readonly name: string;
  readonly help: string;
  private readonly series = new Map<Labels, Series>();
  /** By label objects that cannot change: whoever gives the same one again is known without a look at what is in it. */
  private known = new WeakMap<Labels, Series>();

  /** @param buckets upper bounds, in ascending order */
  constructor(
    { name, help, labels = [] }: MetricOptions,
    private readonly buckets: readonly number[],
    private readonly sets: LabelSets,
  ) {
    this.name = name;
    this.help = help;
    // What has one series only shows it from the start.
    if (labels.length === 0) this.seriesOf({});
  }

  observe(value: number, labels: Labels): void {
    const series = this.known.get(labels) ?? this.seriesOf(labels);
    series.sum += value;
    series.count += 1;
    const { buckets } = this;
    for (let i = 0; i < buckets.length; i += 1) {
      if (value > buckets[i]!) continue;
      series.counts[i]! += 1;
      return;
    }
  }

  get(): Promise<object> {
    const { name, help, type, aggregator } = this;
    const values = [...this.series.values()].flatMap((series) => this.samplesOf(series));
    return Promise.resolve({ name, help, type, aggregator, values });
  }

  reset(): void {
    this.series.clear();
    this.known = new WeakMap();
  }

  private seriesOf(labels: Labels): Series {
    const set = this.sets.admit(labels);
    let series = this.series.get(set);
    if (!series) {
      series = { labels: set, counts: this.buckets.map(() => 0), sum: 0, count: 0 };
      this.series.set(set, series);
    }
    // Each recording that is folded is counted, so it has to come by here again.
    if (Object.isFrozen(labels) && !this.sets.isFolded(set)) this.known.set(labels, series);
    return series;
  }

  private samplesOf({ labels, counts, sum, count }: Series): Sample[] {
    const samples: Sample[] = [];
    let below = 0;
    this.buckets.forEach((le, i) => {
      below += counts[i]!;
      samples.push({ metricName: `${this.name}_bucket`, labels: { le, ...labels }, value: below });
    });
    samples.push(
      { metricName: `${this.name}_bucket`, labels: { le: '+Inf', ...labels }, value: count },
      { metricName: `${this.name}_sum`, labels, value: sum },
      { metricName: `${this.name}_count`, labels, value: count },
    );
    return samples;
  }
}

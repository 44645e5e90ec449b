import type { Counter, Histogram, Labels, Meter, MetricOptions } from '@rookery/kernel';
import {
  Counter as PromCounter,
  Gauge,
  Histogram as PromHistogram,
  register,
  type Registry,
} from 'prom-client';
import { observabilityErrors } from '../observability.errors.js';
import type { PrometheusMeterOptions } from '../observability.options.js';
import { LabelSets } from './label-sets.js';
import { SeriesHistogram } from './series-histogram.js';

type Reading = { value: number; labels?: Labels };
type Read = () => Iterable<Reading>;
type Kind = 'counter' | 'histogram' | 'gauge';

interface Declared {
  readonly kind: Kind;
  readonly labels: readonly string[];
  readonly instrument: Counter | Histogram | Set<Read>;
}

const NO_LABELS: Labels = Object.freeze({});

/** From 1 ms to 10 s: requests, statements and waits within a deadline of seconds. In seconds. */
export const DURATION_BUCKETS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

const FOLDED = 'rookery_metrics_folded_total';
const REFUSED = 'rookery_metrics_refused_total';

/** Meters over one registry share their instruments: a registry takes each name once. */
const declaredIn = new WeakMap<Registry, Map<string, Declared>>();

/**
 * The kernel's `Meter` on prom-client. Promises beyond the port's: at most `maxLabelSets` label sets of one metric, later
 * ones folded into `other` and counted (`rookery_metrics_folded_total{metric}`); a recording that makes no sense (NaN, a
 * counter going down) is refused and counted (`rookery_metrics_refused_total{metric}`), never thrown.
 */
export class PrometheusMeter implements Meter {
  readonly registry: Registry;
  private readonly maxLabelSets: number;
  private readonly declared: Map<string, Declared>;
  private readonly reported = new Set<string>();
  private readonly folded: PromCounter;
  private readonly refused: PromCounter;

  constructor(private readonly options: PrometheusMeterOptions = {}) {
    this.registry = options.registry ?? register;
    this.maxLabelSets = options.maxLabelSets ?? 500;
    const known = declaredIn.get(this.registry) ?? new Map<string, Declared>();
    declaredIn.set(this.registry, known);
    this.declared = known;
    this.folded = this.ownCounter(FOLDED, 'Recordings whose labels were folded into other, by metric');
    this.refused = this.ownCounter(REFUSED, 'Recordings that made no sense, by metric');
  }

  /** @throws RK_OBSERVABILITY_METRIC_CONFLICT, RK_OBSERVABILITY_BAD_METRIC */
  counter(options: MetricOptions): Counter {
    return this.declare('counter', options, (sets) => {
      const counter = this.made(options, () => new PromCounter(this.config(options)));
      return {
        add: (value = 1, labels = NO_LABELS) => {
          if (value >= 0 && value < Infinity) counter.inc(sets.admit(labels), value);
          else this.refuse(options.name, `a counter cannot grow by ${value}`);
        },
      };
    });
  }

  /**
   * @param options buckets in the metric's unit; @default DURATION_BUCKETS
   * @throws RK_OBSERVABILITY_METRIC_CONFLICT, RK_OBSERVABILITY_BAD_METRIC
   */
  histogram(options: MetricOptions & { readonly buckets?: readonly number[] }): Histogram {
    return this.declare('histogram', options, (sets) => {
      const buckets = [...(options.buckets ?? DURATION_BUCKETS)];
      const histogram = this.made(options, () => {
        // Made for its checks alone, and thrown away.
        new PromHistogram({ ...this.config(options), buckets, registers: [] });
        const series = new SeriesHistogram(options, buckets, sets);
        this.registry.registerMetric(series as unknown as PromHistogram);
        return series;
      });
      return {
        observe: (value, labels = NO_LABELS) => {
          if (Number.isFinite(value)) histogram.observe(value, labels);
          else this.refuse(options.name, `${value} cannot be observed`);
        },
      };
    });
  }

  /**
   * Several readers of one name are read together; their values for the same labels are added up (two pools of one shard).
   * A reader that throws is left out of that scrape and counted as refused.
   * @throws RK_OBSERVABILITY_METRIC_CONFLICT, RK_OBSERVABILITY_BAD_METRIC
   */
  gauge(options: MetricOptions, read: Read): () => void {
    const readers = this.declare('gauge', options, () => {
      const made = new Set<Read>();
      this.made(options, () => this.gaugeOf(options, made));
      return made;
    });
    // A reader of its own, so that ending one registration of a shared function leaves the others.
    const reader: Read = () => read();
    readers.add(reader);
    return () => {
      readers.delete(reader);
      if (readers.size > 0 || this.declared.get(options.name)?.instrument !== readers) return;
      this.declared.delete(options.name);
      this.registry.removeSingleMetric(options.name);
    };
  }

  /** The exposition of everything in the registry, and its content type. */
  async exposition(): Promise<{ readonly contentType: string; readonly text: string }> {
    return { contentType: this.registry.contentType, text: await this.registry.metrics() };
  }

  private gaugeOf(options: MetricOptions, readers: ReadonlySet<Read>): Gauge {
    const refuse = (error: unknown) => this.refuse(options.name, `a reader failed: ${String(error)}`);
    const fold = () => this.fold(options.name);
    const { maxLabelSets } = this;
    const gauge: Gauge = new Gauge({
      ...this.config(options),
      collect: () => {
        // Anew at each scrape: a label set that is gone (a shard removed) must not stay at its last value.
        const sets = new LabelSets(options.labels ?? [], maxLabelSets, fold);
        const sums = new Map<Record<string, string>, number>();
        for (const read of readers) {
          try {
            for (const { value, labels } of read()) {
              const set = sets.admit(labels ?? NO_LABELS);
              sums.set(set, (sums.get(set) ?? 0) + value);
            }
          } catch (error) {
            refuse(error);
          }
        }
        gauge.reset();
        for (const [set, value] of sums) if (typeof value === 'number') gauge.set(set, value);
      },
    });
    return gauge;
  }

  private declare<T extends Counter | Histogram | Set<Read>>(
    kind: Kind,
    options: MetricOptions,
    make: (sets: LabelSets) => T,
  ): T {
    const labels = options.labels ?? [];
    const present = this.declared.get(options.name);
    if (present === undefined) {
      const instrument = make(new LabelSets(labels, this.maxLabelSets, () => this.fold(options.name)));
      this.declared.set(options.name, { kind, labels, instrument });
      return instrument;
    }
    const difference =
      present.kind !== kind
        ? `${present.kind} and ${kind}`
        : sameNames(present.labels, labels)
          ? undefined
          : `labels ${present.labels.join(', ') || 'none'} and ${labels.join(', ') || 'none'}`;
    if (difference !== undefined) {
      throw observabilityErrors.create('METRIC_CONFLICT', { data: { metric: options.name, difference } });
    }
    return present.instrument as T;
  }

  private made<T>(options: MetricOptions, make: () => T): T {
    try {
      return make();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw observabilityErrors.create('BAD_METRIC', { data: { metric: options.name, reason }, cause });
    }
  }

  private config({ name, help, labels }: MetricOptions) {
    return { name, help, labelNames: [...(labels ?? [])], registers: [this.registry] };
  }

  private ownCounter(name: string, help: string): PromCounter {
    const present = this.registry.getSingleMetric(name);
    return present instanceof PromCounter
      ? present
      : new PromCounter({ name, help, labelNames: ['metric'], registers: [this.registry] });
  }

  private fold(metric: string): void {
    this.folded.inc({ metric });
    this.report(metric, `more than ${this.maxLabelSets} label sets: further ones are folded into "other"`);
  }

  private refuse(metric: string, problem: string): void {
    this.refused.inc({ metric });
    this.report(metric, problem);
  }

  private report(metric: string, problem: string): void {
    if (this.reported.has(metric)) return;
    this.reported.add(metric);
    this.options.onFault?.({ metric, problem });
  }
}

function sameNames(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name) => other.includes(name));
}

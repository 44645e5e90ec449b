import { Registry } from 'prom-client';
import { observabilityErrors } from '../observability.errors.js';
import { parseExposition } from '../testing/exposition.js';
import { PrometheusMeter } from './prometheus-meter.js';

function meterWith(options: { maxLabelSets?: number; registry?: Registry } = {}) {
  const faults: { metric: string; problem: string }[] = [];
  const meter = new PrometheusMeter({
    registry: new Registry(),
    onFault: (fault) => faults.push(fault),
    ...options,
  });
  return { meter, faults, scrape: async () => parseExposition((await meter.exposition()).text) };
}

const requests = { name: 'http_requests_total', help: 'Requests', labels: ['method', 'route'] };

describe('PrometheusMeter', () => {
  it('counts, observes and reads as Prometheus text', async () => {
    const { meter, scrape } = meterWith();
    const counter = meter.counter(requests);
    counter.add(1, { method: 'GET', route: '/a "quoted"\\\n' });
    counter.add(2, { route: '/a "quoted"\\\n', method: 'GET' });
    meter.counter({ name: 'plain_total', help: 'Plain' }).add();
    const histogram = meter.histogram({
      name: 'took_seconds',
      help: 'Took',
      labels: ['op'],
      buckets: [0.1, 1],
    });
    for (const value of [0.05, 0.5, 5]) histogram.observe(value, { op: 'x' });
    meter.gauge({ name: 'pool_in_use', help: 'In use', labels: ['shard'] }, () => [
      { value: 3, labels: { shard: 's1' } },
      { value: 0, labels: { shard: 's2' } },
    ]);
    const samples = await scrape();
    expect(samples.get('http_requests_total{method="GET",route="/a \\"quoted\\"\\\\\\n"}')).toBe(3);
    expect(samples.get('plain_total')).toBe(1);
    expect(samples.get('took_seconds_bucket{le="0.1",op="x"}')).toBe(1);
    expect(samples.get('took_seconds_bucket{le="1",op="x"}')).toBe(2);
    expect(samples.get('took_seconds_bucket{le="+Inf",op="x"}')).toBe(3);
    expect(samples.get('took_seconds_sum{op="x"}')).toBeCloseTo(5.55);
    expect(samples.get('took_seconds_count{op="x"}')).toBe(3);
    expect(samples.get('pool_in_use{shard="s1"}')).toBe(3);
    expect(samples.get('pool_in_use{shard="s2"}')).toBe(0);
  });

  it('gives the same instrument for the same name, also to another meter on the registry', async () => {
    const registry = new Registry();
    const { meter, scrape } = meterWith({ registry });
    const again = new PrometheusMeter({ registry });
    expect(meter.counter(requests)).toBe(meter.counter({ ...requests, labels: ['route', 'method'] }));
    expect(meter.histogram({ name: 'h', help: 'h' })).toBe(again.histogram({ name: 'h', help: 'h' }));
    meter.counter(requests).add(1, { method: 'GET', route: '/' });
    again.counter(requests).add(1, { method: 'GET', route: '/' });
    expect((await scrape()).get('http_requests_total{method="GET",route="/"}')).toBe(2);
  });

  it('refuses a name that means something else already', () => {
    const { meter } = meterWith();
    meter.counter(requests);
    const conflict = (work: () => unknown, what: 'METRIC_CONFLICT' | 'BAD_METRIC') => {
      let thrown: unknown;
      try {
        work();
      } catch (error) {
        thrown = error;
      }
      expect(observabilityErrors.is(thrown, what)).toBe(true);
    };
    conflict(() => meter.histogram(requests), 'METRIC_CONFLICT');
    conflict(() => meter.counter({ ...requests, labels: ['method'] }), 'METRIC_CONFLICT');
    conflict(() => meter.gauge(requests, () => []), 'METRIC_CONFLICT');
    conflict(() => meter.counter({ name: 'not a name', help: 'x' }), 'BAD_METRIC');
    conflict(() => meter.counter({ name: 'x', help: '' }), 'BAD_METRIC');
    conflict(() => meter.histogram({ name: 'not a name', help: 'x' }), 'BAD_METRIC');
    conflict(() => meter.histogram({ name: 'x', help: 'x', labels: ['le'] }), 'BAD_METRIC');
    conflict(() => meter.histogram({ name: 'rookery_metrics_folded_total', help: 'x' }), 'BAD_METRIC');
    conflict(() => meter.counter({ name: 'rookery_metrics_folded_total', help: 'x' }), 'BAD_METRIC');
  });

  it('folds label sets beyond the limit into other, counts them and says so once', async () => {
    const { meter, faults, scrape } = meterWith({ maxLabelSets: 3 });
    const counter = meter.counter(requests);
    const histogram = meter.histogram({ ...requests, name: 'took_seconds' });
    for (let n = 0; n < 10; n += 1) {
      for (let time = 0; time < 2; time += 1) counter.add(1, { method: 'GET', route: `/${n}` });
      histogram.observe(1, { method: 'GET', route: `/${n}` });
    }
    meter.gauge({ name: 'g', help: 'g', labels: ['key'] }, () =>
      Array.from({ length: 5 }, (_, n) => ({ value: 1, labels: { key: String(n) } })),
    );
    const samples = await scrape();
    expect(samples.get('http_requests_total{method="GET",route="/2"}')).toBe(2);
    expect(samples.get('http_requests_total{method="GET",route="/3"}')).toBeUndefined();
    expect(samples.get('http_requests_total{method="other",route="other"}')).toBe(14);
    expect(samples.get('took_seconds_count{method="other",route="other"}')).toBe(7);
    expect(samples.get('g{key="other"}')).toBe(2);
    expect(samples.get('rookery_metrics_folded_total{metric="http_requests_total"}')).toBe(14);
    expect(faults.filter(({ metric }) => metric === 'http_requests_total')).toHaveLength(1);
    expect([...samples.keys()].filter((key) => key.startsWith('http_requests_total')).length).toBe(4);
  });

  it('knows frozen labels again, and still counts each recording that it folds', async () => {
    const { meter, scrape } = meterWith({ maxLabelSets: 1 });
    const histogram = meter.histogram({ ...requests, name: 'took_seconds', buckets: [1, 2] });
    const [kept, folded] = ['/kept', '/folded'].map((route) => Object.freeze({ method: 'GET', route }));
    const changing = { method: 'GET', route: '/kept' };
    for (const value of [0.5, 1, 2, 3]) histogram.observe(value, kept);
    for (const value of [1, 1]) histogram.observe(value, folded);
    histogram.observe(1, changing);
    changing.route = '/other';
    histogram.observe(1, changing);
    const samples = await scrape();
    const at = (le: string) => samples.get(`took_seconds_bucket{le="${le}",method="GET",route="/kept"}`);
    expect([at('1'), at('2'), at('+Inf')]).toEqual([3, 4, 5]);
    expect(samples.get('took_seconds_sum{method="GET",route="/kept"}')).toBe(7.5);
    expect(samples.get('took_seconds_count{method="other",route="other"}')).toBe(3);
    expect(samples.get('rookery_metrics_folded_total{metric="took_seconds"}')).toBe(3);
  });

  it('shows a histogram without labels from the start, and gives all of them as objects, too', async () => {
    const registry = new Registry();
    const { meter, scrape } = meterWith({ registry });
    meter.histogram({ name: 'took_seconds', help: 'Took', buckets: [1] });
    expect((await scrape()).get('took_seconds_bucket{le="1"}')).toBe(0);
    const took = (await registry.getMetricsAsJSON()).find(({ name }) => name === 'took_seconds');
    expect(took).toMatchObject({ type: 'histogram', aggregator: 'sum' });
    expect(took?.values).toContainEqual({ metricName: 'took_seconds_bucket', labels: { le: 1 }, value: 0 });
  });

  it('never throws while recording: what makes no sense is refused and counted', async () => {
    const { meter, faults, scrape } = meterWith();
    const counter = meter.counter(requests);
    const histogram = meter.histogram({ name: 'took_seconds', help: 'Took' });
    for (const value of [NaN, -1, Infinity]) counter.add(value, { method: 'GET', route: '/' });
    for (const value of [NaN, Infinity]) histogram.observe(value);
    histogram.observe(1, { undeclared: 'x' });
    counter.add(1, { method: 'GET' });
    counter.add(1, { method: 'GET', route: 'r'.repeat(10_000) });
    const samples = await scrape();
    expect(samples.get('rookery_metrics_refused_total{metric="http_requests_total"}')).toBe(3);
    expect(samples.get('rookery_metrics_refused_total{metric="took_seconds"}')).toBe(2);
    expect(samples.get('took_seconds_count')).toBe(1);
    expect(samples.get('http_requests_total{method="GET",route=""}')).toBe(1);
    expect(samples.get(`http_requests_total{method="GET",route="${'r'.repeat(128)}"}`)).toBe(1);
    expect(faults).toHaveLength(2);
  });

  it('reads gauges at each scrape, adds up readers, drops what is gone, and survives a reader that throws', async () => {
    const { meter, faults, scrape } = meterWith();
    const options = { name: 'pool_size', help: 'Size', labels: ['shard'] };
    let shards = ['s1', 's2'];
    const read = () => shards.map((shard) => ({ value: 1, labels: { shard } }));
    const endOne = meter.gauge(options, read);
    const endTwo = meter.gauge(options, read);
    const endBroken = meter.gauge(options, () => {
      throw new Error('gone');
    });
    expect((await scrape()).get('pool_size{shard="s2"}')).toBe(2);
    shards = ['s1'];
    const later = await scrape();
    expect(later.get('pool_size{shard="s1"}')).toBe(2);
    expect(later.has('pool_size{shard="s2"}')).toBe(false);
    expect(later.get('rookery_metrics_refused_total{metric="pool_size"}')).toBeGreaterThan(0);
    expect(faults).toEqual([{ metric: 'pool_size', problem: 'a reader failed: Error: gone' }]);
    endOne();
    expect((await scrape()).get('pool_size{shard="s1"}')).toBe(1);
    endTwo();
    endBroken();
    endBroken();
    expect((await scrape()).has('pool_size{shard="s1"}')).toBe(false);
    meter.gauge({ ...options, labels: [] }, () => [{ value: 7 }]);
    expect((await scrape()).get('pool_size')).toBe(7);
  });
});

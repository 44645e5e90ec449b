import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { boards, filledIn, matchersOf, metricsOf, rules } from './boards.js';

/** Boards and rules speak of metrics that the code makes, with the labels and values it gives them. */
const root = join(import.meta.dirname, '../..');

/** What prom-client measures by itself, and Prometheus. */
const OTHERS: Readonly<Record<string, readonly string[]>> = {
  up: ['instance', 'job'],
  process_cpu_seconds_total: [],
  process_open_fds: [],
  process_resident_memory_bytes: [],
  process_start_time_seconds: [],
  nodejs_heap_size_used_bytes: [],
  nodejs_gc_duration_seconds: ['kind'],
};
/** Metrics that stand on no board and in no alert, and why. */
const UNASKED: Readonly<Record<string, string>> = {};
/** Of every series: who was asked. */
const OF_ALL = ['job', 'instance', 'le'];

interface Declared {
  readonly labels: readonly string[];
  /** Of the file that declares it, or of its neighbours. */
  readonly source: string;
}

/** Where a metric is made, whatever it is made by. */
const MAKES = /\.(?:counter|gauge|histogram)\(|\b(?:gauge|ownCounter)\(|MetricOptions/;
/** A name that is put together is found by nobody: see the test of it. */
const NAME = /(?:\bname: |const (?:FOLDED|REFUSED) = )'((?:rookery|http|rpc|conduit)_\w+)'/g;

/** Metrics by name, from the calls of the meter. */
function declaredMetrics(): Map<string, Declared> {
  const found = new Map<string, Declared>(
    Object.entries(OTHERS).map(([name, labels]) => [name, { labels, source: '' }]),
  );
  for (const path of sources()) {
    const text = textOf(path);
    if (!MAKES.test(text)) continue;
    const names = [...text.matchAll(NAME)];
    for (const [at, { 1: name, index }] of names.entries()) {
      const options = text.slice(index, names[at + 1]?.index);
      const list =
        /labels: \[([^\]]*)\]/.exec(options)?.[1] ?? (name!.startsWith('rookery_metrics_') ? "'metric'" : '');
      found.set(name!, { labels: [...list.matchAll(/'(\w+)'/g)].map(([, one]) => one!), source: text });
    }
  }
  return found;
}

function sources(): string[] {
  return ['libs', 'src'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => /(?<!\.spec|\.d)\.ts$/.test(path) && !/node_modules|\/dist\/|testing\//.test(path))
      .map((path) => join(root, folder, path)),
  );
}

const texts = new Map<string, string>();
function textOf(path: string): string {
  const text = texts.get(path) ?? readFileSync(path, 'utf8');
  texts.set(path, text);
  return text;
}

const declared = declaredMetrics();
const recorded = new Set(Object.values(rules()).flatMap((all) => all.flatMap(({ record }) => record ?? [])));
const asked: [string, string][] = [
  ...boards().flatMap(({ file, panels }) =>
    panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }): [string, string] => [`${file} ${title}`, filledIn(expr, '5m')]),
    ),
  ),
  ...Object.entries(rules()).flatMap(([file, all]) =>
    all.map(({ record, alert, expr }): [string, string] => [`${file} ${record ?? alert}`, expr]),
  ),
];

/** The metric that a series of a histogram or summary belongs to. */
const base = (series: string): string =>
  declared.has(series) ? series : series.replace(/_(bucket|count|sum)$/, '');

/** Metrics of ours that none of the expressions asks for. */
function unasked(expressions: readonly string[]): string[] {
  const known = new Set(expressions.flatMap((expr) => metricsOf(expr).map(base)));
  return [...declared.keys()].filter((name) => !(name in OTHERS) && !known.has(name));
}

function faultsOf(expr: string): string[] {
  const faults: string[] = [];
  const metrics = metricsOf(expr);
  for (const name of metrics) {
    if (!declared.has(base(name)) && !recorded.has(name)) faults.push(`nothing makes ${name}`);
  }
  const own = metrics.flatMap((name) => declared.get(base(name)) ?? []);
  const labels = new Set([...OF_ALL, ...own.flatMap((one) => one.labels)]);
  const words = [...expr.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap(([, list]) =>
    list!.split(',').map((one) => one.trim()),
  );
  for (const label of own.length > 0 ? [...words, ...matchersOf(expr).map((one) => one.label)] : []) {
    if (!labels.has(label)) faults.push(`none of ${metrics.join(', ')} has a label ${label}`);
  }
  for (const { label, values } of matchersOf(expr)) {
    if (!['outcome', 'state'].includes(label)) continue;
    for (const value of values) {
      const said = sources().some((path) => new RegExp(`['"\`]${value}['"\`]`).test(textOf(path)));
      if (!said) faults.push(`nothing says ${label} ${value}`);
    }
  }
  return faults;
}

describe('boards and rules', () => {
  it('are there, and ask', () => {
    expect(boards().map(({ file }) => file)).toEqual([
      'cache.json',
      'edge.json',
      'events.json',
      'shards.json',
      'site.json',
    ]);
    expect(asked.length).toBeGreaterThan(100);
    expect(declared.size).toBeGreaterThan(50);
  });

  it('leave out no metric that the code makes, but with a reason', () => {
    expect(unasked(asked.map(([, expr]) => expr))).toEqual(Object.keys(UNASKED));
  });

  it('would be told of one that nobody asks for', () => {
    const others = asked.map(([, expr]) => expr).filter((expr) => !expr.includes('rookery_event_loop_delay'));
    expect(unasked(others)).toEqual([...Object.keys(UNASKED), 'rookery_event_loop_delay_seconds']);
  });

  it('can find each metric by its name, which stands in the code as a whole', () => {
    const together = sources().filter((path) => {
      const text = textOf(path);
      return MAKES.test(text) && /\bname: `(?:rookery|http|rpc|conduit)_/.test(text);
    });
    expect(together).toEqual([]);
  });

  it.each(asked)('%s', (_, expr) => {
    expect(faultsOf(expr)).toEqual([]);
  });

  it.each([
    ['rate(rookery_events_handeled_total[5m])', 'nothing makes rookery_events_handeled_total'],
    ['job:http_requests:rate7m', 'nothing makes job:http_requests:rate7m'],
    ['rookery_events_lag_seconds{groop="x"}', 'none of rookery_events_lag_seconds has a label groop'],
    ['sum by (slot) (rookery_sharding_slots)', 'none of rookery_sharding_slots has a label slot'],
    ['rookery_events_handled_total{outcome="perked"}', 'nothing says outcome perked'],
    ['rookery_cache_reeds_total', 'nothing makes rookery_cache_reeds_total'],
  ])('would be told of %s', (expr, fault) => {
    expect(faultsOf(expr)).toEqual([fault]);
  });
});

describe('boards', () => {
  it('have names and links of their own, and places that do not overlap', () => {
    const all = boards();
    expect(new Set(all.map(({ uid }) => uid)).size).toBe(all.length);
    for (const { file, panels } of all) {
      const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
        Array.from({ length: w * h }, (_, i) => `${x + (i % w)}:${y + Math.floor(i / w)}`),
      );
      expect([file, cells.length - new Set(cells).size]).toEqual([file, 0]);
      const titles = panels.map(({ title }) => title);
      expect([file, titles.filter((title, i) => titles.indexOf(title) !== i)]).toEqual([file, []]);
    }
  });

  it('say of each panel what it shows, in which unit, whose line is whose, and what to do', () => {
    const faults = boards().flatMap(({ file, panels }) =>
      panels
        .filter(({ type }) => type !== 'row')
        .flatMap(({ title, type, description = '', fieldConfig, targets = [] }) => [
          ...(description.length < 40 || !description.endsWith('.')
            ? [`${file} ${title}: no description`]
            : []),
          ...(fieldConfig?.defaults.unit ? [] : [`${file} ${title}: no unit`]),
          ...(type === 'timeseries' && targets.some(({ legendFormat }) => !legendFormat)
            ? [`${file} ${title}: no legend`]
            : []),
        ]),
    );
    expect(faults).toEqual([]);
  });

  it('use variables that they have', () => {
    for (const { file, panels, templating } of boards()) {
      const names = new Set(['__rate_interval', ...templating.list.map(({ name }) => name)]);
      const used = panels.flatMap(({ targets = [] }) =>
        targets.flatMap(({ expr }) => [...expr.matchAll(/\$\{?(\w+)/g)].map(([, name]) => name!)),
      );
      expect([file, used.filter((name) => !names.has(name))]).toEqual([file, []]);
    }
  });
});

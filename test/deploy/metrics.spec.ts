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
/** Of every series: who was asked. */
const OF_ALL = ['job', 'instance', 'le'];

interface Declared {
  readonly labels: readonly string[];
  /** Of the file that declares it, or of its neighbours. */
  readonly source: string;
}

/** Metrics by name, from the calls of the meter; `rookery_cache_${name}_total` stands for each name in its file. */
function declaredMetrics(): Map<string, Declared> {
  const found = new Map<string, Declared>(
    Object.entries(OTHERS).map(([name, labels]) => [name, { labels, source: '' }]),
  );
  for (const path of sources()) {
    const text = readFileSync(path, 'utf8');
    if (!/\.(counter|gauge|histogram)\(/.test(text)) continue;
    for (const [, name, after] of text.matchAll(/name: ['`]([a-z_$]\S*?)['`],([^]*?)(?=name: ['`]|$)/g)) {
      const labels = [...(/labels: \[([^\]]*)\]/.exec(after!)?.[1] ?? '').matchAll(/'(\w+)'/g)].map(
        ([, one]) => one!,
      );
      const later = [...text.matchAll(/seconds\('\w+', '[^']*', \[\s*'(\w+)'/g)].map(([, one]) => one!);
      for (const whole of namesOf(name!, text)) {
        found.set(whole, { labels: [...labels, ...(name!.includes('$') ? later : [])], source: text });
      }
    }
  }
  return found;
}

function namesOf(name: string, text: string): string[] {
  if (!name.includes('$')) return [name];
  const words = new Set([...text.matchAll(/\b([a-z]+(?:_[a-z]+)*)\b/g)].map(([word]) => word));
  return [...words].map((word) => name.replace(/\$\{\w+\}/, word));
}

function sources(): string[] {
  return ['libs', 'src'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => /(?<!\.spec|\.d)\.ts$/.test(path) && !/node_modules|\/dist\/|testing\//.test(path))
      .map((path) => join(root, folder, path)),
  );
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

const texts = new Map<string, string>();
function textOf(path: string): string {
  const text = texts.get(path) ?? readFileSync(path, 'utf8');
  texts.set(path, text);
  return text;
}

describe('boards and rules', () => {
  it('are there, and ask', () => {
    expect(boards().map(({ file }) => file)).toEqual([
      'cache.json',
      'events.json',
      'shards.json',
      'site.json',
    ]);
    expect(asked.length).toBeGreaterThan(80);
    expect(declared.size).toBeGreaterThan(30);
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

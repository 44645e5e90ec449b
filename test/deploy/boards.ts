import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';

const DEPLOY = join(import.meta.dirname, '../../deploy');

interface Target {
  readonly expr: string;
  readonly legendFormat?: string;
}
export interface Panel {
  readonly title: string;
  readonly type: string;
  readonly description?: string;
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly Target[];
}
export interface Board {
  readonly file: string;
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[];
  };
}

export interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The boards of deploy/grafana. */
export function boards(): Board[] {
  const folder = join(DEPLOY, 'grafana/boards');
  return readdirSync(folder).map((file) => ({
    ...(JSON.parse(readFileSync(join(folder, file), 'utf8')) as Board),
    file,
  }));
}

/** The rules of deploy/prometheus, by their file. */
export function rules(): Readonly<Record<string, readonly Rule[]>> {
  const folder = join(DEPLOY, 'prometheus/rules');
  return Object.fromEntries(
    readdirSync(folder).map((file) => {
      const { groups } = load(readFileSync(join(folder, file), 'utf8')) as { groups: { rules: Rule[] }[] };
      return [file, groups.flatMap((group) => group.rules)];
    }),
  );
}

/** A query as Grafana asks it with all of everything chosen. */
export function filledIn(expr: string, rateInterval: string): string {
  return expr
    .replaceAll('$__rate_interval', rateInterval)
    .replaceAll(/\$\{?(instance|shard|group|service)\}?/g, '.*');
}

/** Words of PromQL that are no metrics: functions and keywords; label names stand in brackets or after `by`. */
const WORDS =
  /^(sum|max|min|avg|count|topk|rate|increase|changes|histogram_quantile|avg_over_time|min_over_time|absent|time|by|on|or|and|unless|offset)$/;

/** Names of the series that an expression asks for, recorded ones with their colons. */
export function metricsOf(expr: string): string[] {
  const bare = expr
    .replace(/\{[^}]*\}/g, ' ')
    .replace(/\[[^\]]*\]/g, ' ')
    .replace(/\b(by|on)\s*\([^)]*\)/g, ' ')
    .replace(/\boffset\s+\w+/g, ' ');
  return [...new Set([...bare.matchAll(/[a-zA-Z_][\w:]*/g)].map(([name]) => name))].filter(
    (name) => !WORDS.test(name),
  );
}

/** `outcome="parked"`, `state=~"busy|idle"` of an expression: the labels and the values that it wants. */
export function matchersOf(expr: string): { label: string; operator: string; values: string[] }[] {
  return [...expr.matchAll(/(\w+)(=~|!~|!=|=)"([^"]*)"/g)].map(([, label, operator, value]) => ({
    label: label!,
    operator: operator!,
    values: value!.split('|'),
  }));
}

import { boards, filledIn, metricsOf } from '../../deploy/boards.js';
import { until } from '../../support/until.js';
import type { Prometheus } from './prometheus.js';

const LIMIT_MS = 60_000;

/** What it is called, and the expression. */
export type Question = readonly [name: string, expr: string];

/** What each panel of each board asks, with all of everything chosen. */
export function boardQuestions(): readonly Question[] {
  return boards().flatMap(({ file, panels }) =>
    panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => [`${file} ${title}`, filledIn(expr, '15s')] as const),
    ),
  );
}

/** Whether an expression asks for one of these metrics. */
export function asksFor(expr: string, metrics: Readonly<Record<string, string>>): boolean {
  return metricsOf(expr).some((metric) => metric.replace(/_(bucket|count|sum)$/, '') in metrics);
}

/**
 * Asks until all have an answer but those that `silent` tells of; gives the names of those without one.
 * @throws with those that have none and should
 */
export async function unanswered(
  prometheus: Prometheus,
  questions: readonly Question[],
  silent: (name: string, expr: string) => boolean,
): Promise<string[]> {
  let open = [...questions];
  const due = () => open.filter(([name, expr]) => !silent(name, expr));
  await until(
    'each question has an answer',
    async () => {
      const still: Question[] = [];
      for (const one of open) if ((await prometheus.query(one[1])).length === 0) still.push(one);
      open = still;
      return due().length === 0;
    },
    LIMIT_MS,
  ).catch((error: Error) => {
    throw new Error(
      `${error.message}:\n${due()
        .map(([name, expr]) => `${name}: ${expr}`)
        .join('\n')}`,
    );
  });
  return open.map(([name]) => name);
}

/** Of each variable of each board that is asked of Prometheus: `site.json label_values(…)`, where there is nothing to choose. */
export async function variablesWithoutValues(prometheus: Prometheus): Promise<string[]> {
  const asked = boards().flatMap(({ file, templating }) =>
    templating.list
      .filter(({ type }) => type === 'query')
      .map(({ definition = '' }) => ({ file, definition })),
  );
  const empty: string[] = [];
  for (const { file, definition } of asked)
    if ((await prometheus.labelValues(definition)).length === 0) empty.push(`${file} ${definition}`);
  return empty;
}

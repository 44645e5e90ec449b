import { textOf } from './list-statements.js';
import type { Selection } from './selection.js';

/** What several selections have in common: the first gives the order, the others narrow it. Counted by looking. */
export function narrowed(first: Selection, ...others: readonly Selection[]): Selection {
  const [wide, ...narrower] = [first, ...others].map((selection) => selection.beside ?? selection) as [
    Selection,
    ...Selection[],
  ];
  const all = [wide, ...narrower];
  let arity = wide.arity;
  const conditions = narrower.map((other) => {
    const ids = shifted(textOf(other, 'id', 'ALL'), arity);
    arity += other.arity;
    return `id IN (SELECT id FROM (${ids}) AS narrowing)`;
  });
  const ids = `SELECT id FROM (${textOf(wide, 'id', 'ALL')}) AS wide WHERE ${conditions.join(' AND ')}`;
  const at = all.find((selection) => selection.at !== undefined)?.at;
  return {
    name: all.map(({ name }) => name).join('+'),
    ids: `${ids} ORDER BY id DESC`,
    count: `SELECT count(*)::int FROM (${ids}) AS counted`,
    arity,
    values: (shard) => {
      const lists = all.map(({ values }) => (typeof values === 'function' ? values(shard) : values));
      return lists.some((list) => list === undefined) ? undefined : lists.flatMap((list) => [...list!]);
    },
    ...(at === undefined ? {} : { at }),
  };
}

function shifted(sql: string, by: number): string {
  return sql.replace(/\$(\d+)/g, (_, place: string) => `$${Number(place) + by}`);
}

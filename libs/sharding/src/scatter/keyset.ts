import type { Keys, OrderTerm } from './order-plan.js';

/**
 * The condition for rows after `keys` in an order. Where all columns go one way and none may be NULL it is one row-wise
 * comparison, which PostgreSQL serves from an index on these columns by a single descent; else it is spelled out, led by a
 * bound on the first column that an index can still start from.
 * @param place adds a value and gives its placeholder
 */
export function afterKeys(terms: readonly OrderTerm[], keys: Keys, place: (value: string) => string): string {
  const [first] = terms;
  if (terms.every(({ nullable, descending }) => !nullable && descending === first!.descending)) {
    const columns = terms.map(({ sql }) => sql).join(', ');
    const values = keys.map((key) => place(key!)).join(', ');
    return `(${columns}) ${first!.descending ? '<' : '>'} (${values})`;
  }
  const places = keys.map((key) => (key === null ? null : place(key)));
  const ways: string[] = [];
  terms.forEach((term, i) => {
    const at = places[i]!;
    // NULL is last: nothing comes after it in this column.
    if (at === null) return;
    const equal = terms.slice(0, i).map(({ sql }, j) => equalTo(sql, places[j]!));
    const beyond = `${term.sql} ${term.descending ? '<' : '>'} ${at}`;
    ways.push([...equal, term.nullable ? `(${beyond} OR ${term.sql} IS NULL)` : beyond].join(' AND '));
  });
  // All NULL, with nothing left to tell rows apart, cannot be: the primary key never is.
  const spelled = `(${ways.map((way) => `(${way})`).join(' OR ')})`;
  if (first!.nullable) return spelled;
  return `${first!.sql} ${first!.descending ? '<=' : '>='} ${places[0]!} AND ${spelled}`;
}

function equalTo(sql: string, at: string | null): string {
  return at === null ? `${sql} IS NULL` : `${sql} = ${at}`;
}

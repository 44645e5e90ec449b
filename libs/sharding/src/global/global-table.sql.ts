import { prepared, type Statement } from '../pool/statement.js';

/**
 * What rows look like as text depends on these; they must be the same where rows are read, applied and compared.
 * `$1` is the table whose fence is opened: nothing, for reads.
 */
export const pinSession = prepared(
  'rookery.global.pin',
  `SELECT set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true),
     set_config('IntervalStyle', 'postgres', true), set_config('bytea_output', 'hex', true),
     set_config('extra_float_digits', '1', true), set_config('lc_monetary', 'C', true),
     set_config('rookery.global', coalesce($1::regclass::text, ''), true)`,
  'array',
);

/** Takes the next version, above `$2` too. Whoever writes the table waits here for the writer before. */
export const nextVersion = prepared(
  'rookery.global.next',
  `INSERT INTO rookery_global AS g (table_name, version) VALUES ($1, $2::bigint + 1)
   ON CONFLICT (table_name) DO UPDATE SET version = greatest(g.version, $2) + 1 RETURNING version`,
);

/** Moves a copy's version on; no row comes back where it is as new already. */
export const advanceVersion = prepared(
  'rookery.global.advance',
  `INSERT INTO rookery_global AS g (table_name, version) VALUES ($1, $2)
   ON CONFLICT (table_name) DO UPDATE SET version = excluded.version WHERE g.version < excluded.version
   RETURNING version`,
);

export const versions: Statement = {
  name: 'rookery.global.versions',
  text: 'SELECT table_name AS "table", version FROM rookery_global',
};

/** Columns that can be written, in the order of the table. */
export const writableColumns = prepared(
  'rookery.global.columns',
  `SELECT quote_ident(a.attname) AS name, a.attnum = ANY(i.indkey) AS key, a.attidentity = 'a' AS fixed
   FROM pg_attribute a JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
   WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
   ORDER BY a.attnum`,
);

/** The whole table and its version as one statement sees them; a row of NULL stands for an empty table. */
export function snapshotOf(table: string, name: string): Statement {
  return {
    text: `SELECT coalesce((SELECT version FROM rookery_global WHERE table_name = $1), 0), rookery_row::text
           FROM (VALUES (true)) AS once LEFT JOIN ${table} AS rookery_row ON true`,
    values: [name],
    rowMode: 'array',
  };
}

/** Version, count and a checksum that does not depend on the order of rows, as one statement sees them. */
export function summaryOf(table: string, name: string): Statement {
  return {
    text: `SELECT coalesce((SELECT version FROM rookery_global WHERE table_name = $1), 0) AS version,
             count(*) AS rows, coalesce(sum(hashtextextended(rookery_row::text, 0)), 0)::text AS checksum
           FROM ${table} AS rookery_row`,
    values: [name],
  };
}

export interface Column {
  readonly name: string;
  readonly key: boolean;
  /** Only a new row may have it set. */
  readonly fixed: boolean;
}

/** Rows that are gone, then those that are new or changed, by primary key: rows that refer to them do not notice. */
export function mergeRows(table: string, columns: readonly Column[], lines: readonly string[]): Statement[] {
  const keys = columns.filter(({ key }) => key).map(({ name }) => name);
  const same = columns
    .filter(({ key, fixed }) => key || fixed)
    .map(({ name }) => `new.${name} = old.${name}`)
    .join(' AND ');
  const set = columns
    .filter(({ key, fixed }) => !key && !fixed)
    .map(({ name }) => `${name} = excluded.${name}`);
  return [
    {
      text: `DELETE FROM ${table} AS old WHERE NOT EXISTS (SELECT FROM ${incoming(table)} WHERE ${same})`,
      values: [lines],
    },
    insertChanged(
      table,
      columns,
      lines,
      `ON CONFLICT (${keys.join(', ')}) DO ${set.length > 0 ? `UPDATE SET ${set.join(', ')}` : 'NOTHING'}`,
    ),
  ];
}

/** Takes changed rows out before it puts them in anew: for rows that swap a unique value. */
export function replaceRows(
  table: string,
  columns: readonly Column[],
  lines: readonly string[],
): Statement[] {
  return [
    { text: `DELETE FROM ${table} AS old WHERE old::text <> ALL ($1::text[])`, values: [lines] },
    insertChanged(table, columns, lines, ''),
  ];
}

function insertChanged(
  table: string,
  columns: readonly Column[],
  lines: readonly string[],
  onConflict: string,
): Statement {
  const names = columns.map(({ name }) => name);
  return {
    text: `INSERT INTO ${table} (${names.join(', ')}) OVERRIDING SYSTEM VALUE
           SELECT ${names.map((name) => `new.${name}`).join(', ')} FROM ${incoming(table)}
           WHERE new.rookery_line NOT IN (SELECT old::text FROM ${table} AS old) ${onConflict}`,
    values: [lines],
  };
}

function incoming(table: string): string {
  return `(SELECT (line::${table}).*, line AS rookery_line FROM unnest($1::text[]) AS line) AS new`;
}

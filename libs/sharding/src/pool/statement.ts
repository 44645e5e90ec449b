/** One SQL statement. A `name` makes it a prepared one: the text must then be the same at every use of the name. */
export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[];
  readonly name?: string;
  /** Rows as arrays of column values instead of objects: cheaper where rows are only copied out. */
  readonly rowMode?: 'array';
}

/** Declares a named statement once; the result fills in its values. */
export function prepared(name: string, text: string, rowMode?: 'array') {
  return (...values: readonly unknown[]): Statement => ({ name, text, values, rowMode });
}

export interface StatementResult<R> {
  readonly rows: R[];
  /** Rows returned or changed. */
  readonly rowCount: number;
  /** Command tag: `SELECT`, `COMMIT`, `ROLLBACK`. */
  readonly command: string;
}

import pg from 'pg';
import type { Statement } from './statement.js';

export type Answer = (error: Error | null | undefined, result: unknown) => void;

/** What `pg.Query` is beyond its types. */
interface QueryInternals {
  submit(connection: pg.Connection): Error | null | undefined;
  values: unknown[] | undefined;
  name: string | undefined;
  callback: Answer;
  _result: { rowAsArray: boolean; parseRow: unknown; _parseRowAsArray: unknown };
}

/**
 * A query that says at once when the driver refuses to send it (a value that cannot be encoded, a name used for two
 * texts). The driver itself tells of some refusals only later, when a COMMIT sent behind may be on its way already: the
 * statement would be missing from a transaction that was committed.
 */
export class PipelinedQuery extends pg.Query {
  /** Whether the driver would not send it; known when `client.query` returns. */
  refused = false;
  private submitting = false;

  constructor(statement: Statement, name: string | undefined, answer: Answer) {
    // Given a config, the driver copies it property by property, which costs as much as all the rest of a query here.
    super(statement.text);
    const query = this as unknown as QueryInternals;
    query.values = statement.values as unknown[] | undefined;
    query.name = name;
    if (statement.rowMode === 'array') {
      query._result.rowAsArray = true;
      query._result.parseRow = query._result._parseRowAsArray;
    }
    let answered = false;
    query.callback = (error: Error | null | undefined, result: unknown): void => {
      // A refusal is told once more when the server answers what was sent of it.
      if (answered) return;
      answered = true;
      if (this.submitting) this.refused = true;
      answer(error, result);
    };
  }

  override readonly submit = (connection: pg.Connection): Error | null | undefined => {
    this.submitting = true;
    try {
      const submit = (pg.Query.prototype as unknown as QueryInternals).submit;
      const refusal = submit.call(this, connection);
      if (refusal) (this as unknown as QueryInternals).callback(refusal, undefined);
      return refusal;
    } finally {
      this.submitting = false;
    }
  };
}

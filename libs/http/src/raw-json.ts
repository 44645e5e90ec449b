/**
 * An answer that is JSON already, e.g. built by PostgreSQL: a handler returns it and it is sent as `application/json`
 * without being parsed or serialized again. Nobody checks that it is JSON.
 */
export class RawJson {
  constructor(readonly json: string | Buffer) {}
}

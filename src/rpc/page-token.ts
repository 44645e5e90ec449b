import { fieldProblem, invalidInput } from '@rookery/http';

/** Beyond it a list is walked by other means than counting rows. */
const MAX_OFFSET = 10_000;

/**
 * Where a page begins, as a text that nobody should read: what it counts by may change. Today it is an offset, so articles
 * published between two pages move the rest down, and one may be told twice.
 */
export function pageToken(offset: number, total: number): string {
  return offset < total && offset <= MAX_OFFSET ? Buffer.from(`o${offset}`).toString('base64url') : '';
}

/** @throws RK_HTTP_INVALID_INPUT for what no page gave */
export function offsetOf(token: string): number {
  if (token === '') return 0;
  const offset = /^o(\d{1,5})$/.exec(Buffer.from(token, 'base64url').toString('latin1'))?.[1];
  if (offset === undefined || Number(offset) > MAX_OFFSET) {
    throw invalidInput([fieldProblem('input', ['pageToken'], 'invalid', 'is of no page')]);
  }
  return Number(offset);
}

import type { CodedError } from '@rookery/kernel';
import type { HttpRequest } from './http.types.js';
import { fieldProblem, invalidInput, type FieldProblem } from './problem.js';
import { isText } from './text.js';

/**
 * Refuses path and query parameters with U+0000. Only `%00` decodes to it, and no percent-encoding decodes to a lone
 * surrogate, so a URL without `%00` is not looked at further.
 */
export function urlTextProblem(request: HttpRequest): CodedError | undefined {
  if (!request.raw.url?.includes('%00')) return undefined;
  const fields = [...notText('path', request.params), ...notText('query', request.query)];
  return fields.length === 0 ? undefined : invalidInput(fields);
}

function* notText(where: FieldProblem['in'], values: unknown): Iterable<FieldProblem> {
  if (typeof values !== 'object' || values === null) return;
  for (const [key, value] of Object.entries(values)) {
    const all: unknown[] = Array.isArray(value) ? value : [value];
    if (!isText(key) || all.some((one) => typeof one === 'string' && !isText(one))) {
      yield fieldProblem(where, isText(key) ? [key] : [], 'not_text', 'has characters that are not text');
    }
  }
}

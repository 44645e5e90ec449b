import { fieldProblem, invalidInput } from '@rookery/http';
import type { z } from 'zod';

/** What was asked, checked. @throws RK_HTTP_INVALID_INPUT that names the fields at fault */
export function checked<S extends z.ZodType>(schema: S, given: unknown): z.output<S> {
  const { data, error } = schema.safeParse(given);
  if (error === undefined) return data;
  throw invalidInput(
    error.issues.map(({ path, message }) =>
      fieldProblem(
        'input',
        path.filter((step) => typeof step !== 'symbol'),
        'invalid',
        message,
      ),
    ),
  );
}

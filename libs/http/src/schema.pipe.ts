import type { ArgumentMetadata, PipeTransform } from '@nestjs/common';
import { fieldsOf } from './issues.js';
import { invalidInput, type FieldProblem } from './problem.js';

type ArgumentSchema = NonNullable<ArgumentMetadata['schema']>;
type Outcome = Awaited<ReturnType<ArgumentSchema['~standard']['validate']>>;

const PARTS: Readonly<Record<string, FieldProblem['in']>> = { body: 'body', query: 'query', param: 'path' };

/**
 * The global pipe: what a parameter's decorator names as `{ schema }` is validated by it, and the handler gets the
 * schema's output, so fields a schema does not know never arrive. Any Standard Schema does; zod's says most.
 * @throws RK_HTTP_INVALID_INPUT with the fields
 */
export class SchemaPipe implements PipeTransform {
  transform(value: unknown, metadata: ArgumentMetadata): unknown {
    const { schema } = metadata;
    if (schema === undefined) return value;
    const outcome = schema['~standard'].validate(value);
    return outcome instanceof Promise
      ? outcome.then((late) => this.settle(late, value, metadata, schema))
      : this.settle(outcome, value, metadata, schema);
  }

  private settle(
    outcome: Outcome,
    value: unknown,
    metadata: ArgumentMetadata,
    schema: ArgumentSchema,
  ): unknown {
    if (outcome.issues === undefined) return outcome.value;
    // An absent body is refused field by field, as an empty object is: a client learns what to send.
    const again = value === undefined ? schema['~standard'].validate({}) : outcome;
    const issues = again instanceof Promise || again.issues === undefined ? outcome.issues : again.issues;
    const root = typeof metadata.data === 'string' ? [metadata.data] : [];
    throw invalidInput(fieldsOf(issues, value, PARTS[metadata.type] ?? 'input', root));
  }
}

import { fieldProblem, type FieldProblem, type FieldReason } from './problem.js';

/** An issue as Standard Schema gives it; zod adds what says more. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
  readonly code?: string;
  readonly keys?: readonly string[];
  readonly errors?: readonly (readonly SchemaIssue[])[];
  readonly params?: Readonly<Record<string, unknown>>;
}

/** More of them help nobody, and each repeats its path. */
const MOST_FIELDS = 50;

/** Turns the issues of a schema into problems of fields; `input` tells what is missing from what is of a wrong type. */
export function fieldsOf(
  issues: readonly SchemaIssue[],
  input: unknown,
  where: FieldProblem['in'],
  root: readonly (string | number)[] = [],
): FieldProblem[] {
  const fields: FieldProblem[] = [];
  for (const issue of issues) {
    if (fields.length >= MOST_FIELDS) break;
    const path = (issue.path ?? []).map(segmentOf);
    if (issue.code === 'unrecognized_keys') {
      for (const key of (issue.keys ?? []).slice(0, MOST_FIELDS)) {
        fields.push(fieldProblem(where, [...root, ...path, key], 'unknown', 'is not a field of this object'));
      }
      continue;
    }
    const value = valueAt(input, path);
    fields.push(fieldProblem(where, [...root, ...path], reasonOf(issue, value), messageOf(issue)));
  }
  return fields;
}

function reasonOf(issue: SchemaIssue, value: unknown): FieldReason {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  const stated = issue.params?.['reason'];
  if (typeof stated === 'string') return stated as FieldReason;
  if (typeof value === 'string' && value.trim() === '' && issue.code !== 'invalid_type') return 'blank';
  switch (issue.code) {
    case 'invalid_type':
      return 'type';
    case 'too_small':
      return 'too_small';
    case 'too_big':
      return 'too_big';
    case 'invalid_union':
      return isOfNoBranch(issue) ? 'type' : 'invalid';
    default:
      return 'invalid';
  }
}

/** A union whose every branch refuses the value's type refuses the type. */
function isOfNoBranch(issue: SchemaIssue): boolean {
  const branches = issue.errors ?? [];
  return (
    branches.length > 0 &&
    branches.every(([first]) => first?.code === 'invalid_type' && (first.path ?? []).length === 0)
  );
}

function messageOf(issue: SchemaIssue): string {
  return issue.message.replace(/^Invalid input: /, '');
}

function segmentOf(segment: PropertyKey | { readonly key: PropertyKey }): string | number {
  const key = typeof segment === 'object' ? segment.key : segment;
  return typeof key === 'symbol' ? String(key) : key;
}

function valueAt(input: unknown, path: readonly (string | number)[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string | number, unknown>>)[key];
  }
  return value;
}

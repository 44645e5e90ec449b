import type { CodedError } from '@rookery/kernel';
import { httpErrors } from './http.errors.js';

/**
 * Why a field was refused.
 * `missing` it is not there · `null` it is null · `blank` it is an empty string, or white space only · `type` it is of
 * another type (a number, an array, a repeated query parameter) · `too_small`, `too_big` out of range, as a number or a
 * length · `too_deep` nested beyond the limit · `not_text` has U+0000 or a lone surrogate · `unknown` not a field of this
 * object · `invalid` anything else.
 */
export type FieldReason =
  | 'missing'
  | 'null'
  | 'blank'
  | 'type'
  | 'too_small'
  | 'too_big'
  | 'too_deep'
  | 'not_text'
  | 'unknown'
  | 'invalid';

export interface FieldProblem {
  /** The path in dots (`article.tagList.3`); empty for the input as a whole. */
  readonly field: string;
  readonly path: readonly (string | number)[];
  /** Which part of the request it is in. */
  readonly in: 'body' | 'query' | 'path' | 'input';
  readonly reason: FieldReason;
  /** A clause for a person, without the field's name: "expected string, received number". */
  readonly message: string;
}

/** What a client is told of a failure, before it has a form. */
export interface Problem {
  readonly status: number;
  /** `RK_<LIB>_<WHAT>`, see docs/errors.md. */
  readonly code: string;
  /** The standard phrase of the status. */
  readonly title: string;
  /** One sentence. For 5xx it never tells what happened inside. */
  readonly detail: string;
  readonly fields?: readonly FieldProblem[];
  readonly retryAfterSeconds?: number;
  /** Header fields that belong to the failure, e.g. `allow` of a 405. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What was thrown; for renderers that know the application's own errors. Never to be shown. */
  readonly error?: unknown;
}

export interface RenderedProblem {
  readonly status: number;
  readonly contentType: string;
  /** A string or Buffer is sent as it is, anything else as JSON. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Port: the form in which failures reach clients. One renderer serves all of them: those thrown by handlers, those of
 * the router, and those of requests that never became one. It must not throw and must not wait.
 */
export interface ErrorRenderer {
  render(problem: Problem, context: { readonly requestId: string }): RenderedProblem;
  /** The schema of what it renders, for the OpenAPI document. */
  readonly documented?: {
    readonly name: string;
    readonly contentType: string;
    /** JSON Schema as OpenAPI 3.0 takes it. */
    readonly schema: Readonly<Record<string, unknown>>;
  };
}

/** A refusal of input with its fields; throw it for rules that a schema cannot express. */
export function invalidInput(fields: readonly FieldProblem[]): CodedError {
  return httpErrors.create('INVALID_INPUT', { data: { fields } });
}

export function fieldProblem(
  where: FieldProblem['in'],
  path: readonly (string | number)[],
  reason: FieldReason,
  message: string,
): FieldProblem {
  return { field: path.join('.'), path, in: where, reason, message };
}

import { z } from 'zod';

const NUL = '\u0000';
// With the flag `u` a pair is one character, so this finds halves only.
const LONE_SURROGATE = /[\ud800-\udfff]/u;

/**
 * Whether every part of `value` can be stored as PostgreSQL text: no U+0000, and no half of a surrogate pair (which has
 * no UTF-8 form).
 */
export function isText(value: string): boolean {
  return !value.includes(NUL) && !LONE_SURROGATE.test(value);
}

export interface TextOptions {
  /** UTF-16 units. @default none */
  readonly min?: number;
  /** UTF-16 units. @default none */
  readonly max?: number;
}

/**
 * A string that is text (see `isText`). The request path refuses other strings before any schema runs; this one is for
 * values that come another way, and says so where the schema is read.
 */
export function text({ min, max }: TextOptions = {}): z.ZodString {
  let schema = z.string();
  if (min !== undefined) schema = schema.min(min);
  if (max !== undefined) schema = schema.max(max);
  return schema.refine(isText, { error: 'is not text', params: { reason: 'not_text' } });
}

/** Where a schema keeps a default for the document, since zod drops that of a schema that transforms. */
export const DOCUMENTED_DEFAULT = 'x-default';

export interface IntegerOptions {
  /** @default -(2^53 - 1) */
  readonly min?: number;
  /** @default 2^53 - 1 */
  readonly max?: number;
  /** What an absent parameter means. @default none: it is required */
  readonly default?: number;
}

/**
 * A whole number written in decimal digits, as query and path parameters carry it: `"20"` gives 20. Refuses signs other
 * than a leading minus, fractions, exponents, white space, and anything beyond 2^53 - 1.
 */
export function integerParameter(options: IntegerOptions = {}): z.ZodType<number> {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER, default: absent } = options;
  const digits = z
    .string()
    .regex(/^-?\d{1,16}$/, { error: 'is not a whole number' })
    .transform(Number)
    .pipe(z.number().min(min).max(max));
  // zod describes what it reads, which is a string without a default; a client is to be told of the number.
  const described = {
    type: 'integer' as const,
    ...(options.min === undefined ? {} : { minimum: min }),
    ...(options.max === undefined ? {} : { maximum: max }),
  };
  return absent === undefined
    ? digits.meta(described)
    : digits.default(absent).meta({ ...described, [DOCUMENTED_DEFAULT]: absent });
}

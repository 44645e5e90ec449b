/**
 * Coded errors: the one way a library of the framework reports a failure.
 *
 * A code is `RK_<LIB>_<WHAT>`, is listed in docs/errors.md, and never changes its meaning. The HTTP status is what the
 * failure means to a client when nobody handles it nearer to its cause.
 */
export interface ErrorDefinition {
  /** HTTP status a client gets when the error reaches the edge. */
  readonly status: number;
  /** One sentence, in the present tense; `{name}` is filled from the error's data. */
  readonly message: string;
  /** Whether the same call may succeed later without any change by the caller. */
  readonly retryable?: boolean;
}

export interface CodedErrorOptions {
  /** Values for the message's placeholders; kept on the error for logs and problem documents. Never secrets. */
  readonly data?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
  /** Seconds a client should wait before it tries again (becomes `Retry-After`). */
  readonly retryAfterSeconds?: number;
}

export class CodedError extends Error {
  readonly status: number;
  readonly retryable: boolean;
  readonly data: Readonly<Record<string, unknown>>;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    readonly code: string,
    definition: ErrorDefinition,
    options: CodedErrorOptions = {},
  ) {
    super(
      fill(definition.message, options.data ?? {}),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = 'CodedError';
    this.status = definition.status;
    this.retryable = definition.retryable ?? false;
    this.data = options.data ?? {};
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** The errors of one library: a typed factory and test per name. */
export interface ErrorRegistry<Name extends string> {
  /** Full code by short name, e.g. `codes.STALE_ROUTE === 'RK_SHARDING_STALE_ROUTE'`. */
  readonly codes: Readonly<Record<Name, string>>;
  readonly definitions: Readonly<Record<Name, ErrorDefinition>>;
  create(name: Name, options?: CodedErrorOptions): CodedError;
  is(error: unknown, name: Name): error is CodedError;
}

/**
 * Declares the errors of a library, e.g. `defineErrors('SHARDING', { STALE_ROUTE: { status: 503, message: '…' } })`.
 * Each library calls it once, in its `<lib>.errors.ts`.
 */
export function defineErrors<const D extends Record<string, ErrorDefinition>>(
  library: string,
  definitions: D,
): ErrorRegistry<keyof D & string> {
  type Name = keyof D & string;
  const codes = Object.fromEntries(
    Object.keys(definitions).map((name) => [name, `RK_${library}_${name}`]),
  ) as Record<Name, string>;
  return {
    codes,
    definitions,
    create: (name, options) => new CodedError(codes[name], definitions[name]!, options),
    is: (error, name): error is CodedError => error instanceof CodedError && error.code === codes[name],
  };
}

function fill(template: string, data: Readonly<Record<string, unknown>>): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => (name in data ? String(data[name]) : whole));
}

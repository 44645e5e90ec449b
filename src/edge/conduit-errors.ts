import { CodedError } from '@rookery/kernel';
import type { ErrorRenderer, FieldProblem, Problem, RenderedProblem } from '@rookery/http';

type Errors = Record<string, string[]>;

/** What the contract says for errors that are about no field. By code; the rest goes by status. */
const BY_CODE: Readonly<Record<string, Errors>> = {
  RK_SECURITY_TOKEN_MISSING: { token: ['is missing'] },
  RK_SECURITY_TOKEN_INVALID: { token: ['is invalid'] },
  RK_USERS_NO_ACCOUNT: { token: ['is invalid'] },
  RK_ARTICLES_NO_AUTHOR: { token: ['is invalid'] },
  RK_USERS_BAD_CREDENTIALS: { credentials: ['invalid'] },
  RK_PROFILES_NOT_FOUND: { profile: ['not found'] },
  RK_ARTICLES_NOT_FOUND: { article: ['not found'] },
  RK_COMMENTS_NOT_FOUND: { comment: ['not found'] },
};

/** The contract knows no status for a malformed request but 422. */
const MALFORMED = new Set([400, 413, 414, 415, 431]);

/**
 * Conduit's own form of an error, `{"errors":{"field":["message"]}}`, in place of problem documents. The code and the
 * request's id go along in headers, for whoever has to find out.
 */
export const conduitErrors: ErrorRenderer = {
  render(problem, { requestId }): RenderedProblem {
    const status = MALFORMED.has(problem.status) ? 422 : problem.status;
    return {
      status,
      contentType: 'application/json; charset=utf-8',
      body: JSON.stringify({ errors: errorsOf(problem, requestId) }),
      headers: { 'x-error-code': problem.code },
    };
  },
  documented: {
    name: 'GenericErrorModel',
    contentType: 'application/json',
    schema: {
      type: 'object',
      required: ['errors'],
      properties: {
        errors: { type: 'object', additionalProperties: { type: 'array', items: { type: 'string' } } },
      },
      example: { errors: { 'name of a field': ['what is wrong with it'] } },
    },
  },
};

function errorsOf(problem: Problem, requestId: string): Errors {
  const known = BY_CODE[problem.code];
  if (known) return known;
  if (problem.error instanceof CodedError) {
    const { data } = problem.error;
    if (problem.code === 'RK_SHARDING_TAKEN' || problem.code === 'RK_USERS_NAME_TAKEN')
      return { [String(data['kind'])]: ['has already been taken'] };
    if (problem.code === 'RK_SECURITY_FORBIDDEN') return { [String(data['subject'])]: ['forbidden'] };
    if (problem.code === 'RK_SECURITY_PASSWORD_TOO_LONG') return { password: ['is too long'] };
  }
  if (problem.fields && problem.fields.length > 0) return byField(problem.fields);
  if (MALFORMED.has(problem.status)) return { body: [problem.detail] };
  if (problem.status >= 500) return { server: [`${problem.detail} (request ${requestId})`] };
  return { request: [problem.detail] };
}

function byField(fields: readonly FieldProblem[]): Errors {
  // A client may name a field `__proto__`: not a key to assign to.
  const errors = new Map<string, string[]>();
  for (const field of fields) {
    const name = nameOf(field);
    const message = messageOf(field);
    const there = errors.get(name);
    if (!there) errors.set(name, [message]);
    else if (!there.includes(message)) there.push(message);
  }
  return Object.fromEntries(errors);
}

/** Objects that the contract wraps a body's fields in. */
const WRAPPERS = new Set(['user', 'article', 'comment']);
const FIELDS = new Set([
  'username',
  'email',
  'password',
  'bio',
  'image',
  'title',
  'description',
  'body',
  'tagList',
]);

/** The contract's field: `user.email` is `email`, `article.tagList.3` is `tagList`; what it does not know is its wrapper. */
function nameOf({ path }: FieldProblem): string {
  const [root, inner] = path;
  if (typeof root !== 'string') return 'body';
  return WRAPPERS.has(root) && typeof inner === 'string' && FIELDS.has(inner) ? inner : root;
}

function messageOf({ reason, message }: FieldProblem): string {
  switch (reason) {
    case 'missing':
    case 'null':
    case 'blank':
      return "can't be blank";
    case 'type':
      return 'is of the wrong type';
    case 'too_small':
      return 'is too short or too small';
    case 'too_big':
      return 'is too long or too large';
    case 'too_deep':
      return 'is nested too deep';
    case 'not_text':
      return 'is not text';
    default:
      return message || 'is invalid';
  }
}

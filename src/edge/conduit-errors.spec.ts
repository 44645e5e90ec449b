import { CodedError } from '@rookery/kernel';
import { fieldProblem, type FieldReason, type Problem } from '@rookery/http';
import { conduitErrors } from './conduit-errors.js';

function rendered(problem: Partial<Problem>) {
  const { status, body, headers } = conduitErrors.render(
    { status: 422, code: 'RK_HTTP_INVALID_INPUT', title: 'Unprocessable', detail: 'no', ...problem },
    { requestId: 'r-1' },
  );
  return { status, headers, ...(JSON.parse(body as string) as { errors: Record<string, string[]> }) };
}

const field = (path: (string | number)[], reason: FieldReason) =>
  fieldProblem('body', path, reason, 'is odd');

describe("Conduit's errors", () => {
  it.each([
    ['RK_SECURITY_TOKEN_MISSING', { token: ['is missing'] }],
    ['RK_USERS_BAD_CREDENTIALS', { credentials: ['invalid'] }],
    ['RK_PROFILES_NOT_FOUND', { profile: ['not found'] }],
    ['RK_ARTICLES_NOT_FOUND', { article: ['not found'] }],
    ['RK_COMMENTS_NOT_FOUND', { comment: ['not found'] }],
  ])('says %s as %j', (code, errors) => {
    expect(rendered({ code, status: 404 }).errors).toEqual(errors);
  });

  it('names what is taken, and what is forbidden', () => {
    const error = (data: Record<string, unknown>) =>
      new CodedError('x', { status: 409, message: 'x' }, { data });
    expect(rendered({ code: 'RK_SHARDING_TAKEN', error: error({ kind: 'email' }) }).errors).toEqual({
      email: ['has already been taken'],
    });
    expect(rendered({ code: 'RK_SECURITY_FORBIDDEN', error: error({ subject: 'comment' }) }).errors).toEqual({
      comment: ['forbidden'],
    });
  });

  it.each<[(string | number)[], FieldReason, Record<string, string[]>]>([
    [['user', 'email'], 'missing', { email: ["can't be blank"] }],
    [['user', 'email'], 'blank', { email: ["can't be blank"] }],
    [['article', 'tagList', 3], 'type', { tagList: ['is of the wrong type'] }],
    [['article', 'a', 'a'], 'too_deep', { article: ['is nested too deep'] }],
    [['limit'], 'too_big', { limit: ['is too long or too large'] }],
    [[], 'type', { body: ['is of the wrong type'] }],
    [['user', 'email'], 'invalid', { email: ['is odd'] }],
  ])('names the field of %j, %s', (path, reason, errors) => {
    expect(rendered({ fields: [field(path, reason)] }).errors).toEqual(errors);
  });

  it('says a thing once, and survives a field called __proto__', () => {
    const problem = rendered({
      fields: [
        field(['article', 'tagList', 1], 'type'),
        field(['article', 'tagList', 2], 'type'),
        field(['__proto__'], 'type'),
      ],
    });
    expect(problem.errors['tagList']).toEqual(['is of the wrong type']);
    expect(Object.keys(problem.errors)).toContain('__proto__');
  });

  it.each([400, 413, 414, 415, 431])(
    'answers a malformed request of status %i as the contract does, 422',
    (status) => {
      expect(rendered({ status, code: 'RK_HTTP_X' })).toMatchObject({
        status: 422,
        errors: { body: ['no'] },
      });
    },
  );

  it('keeps the status of an outage, with the code and the request to ask about', () => {
    expect(rendered({ status: 503, code: 'RK_SHARDING_SHARD_UNAVAILABLE', detail: 'away' })).toEqual({
      status: 503,
      headers: { 'x-error-code': 'RK_SHARDING_SHARD_UNAVAILABLE' },
      errors: { server: ['away (request r-1)'] },
    });
  });
});

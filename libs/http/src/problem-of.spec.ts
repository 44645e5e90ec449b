import { HttpException, ServiceUnavailableException, UnauthorizedException } from '@nestjs/common';
import { httpErrors } from './http.errors.js';
import { problemOf } from './problem-of.js';

test.each([
  [new UnauthorizedException('say who you are'), 401, 'RK_HTTP_UNAUTHORIZED', 'say who you are'],
  [new HttpException('odd', 418), 418, 'RK_HTTP_BAD_REQUEST', 'odd'],
  [httpErrors.create('TOO_MANY_REQUESTS'), 429, 'RK_HTTP_TOO_MANY_REQUESTS', 'too many requests'],
  [
    Object.assign(new Error('too much'), { code: 'FST_ERR_CTP_BODY_TOO_LARGE', statusCode: 413 }),
    413,
    'RK_HTTP_BODY_TOO_LARGE',
    'the body is larger than 99 bytes',
  ],
  [
    Object.assign(new Error('of a plugin'), { statusCode: 403 }),
    403,
    'RK_HTTP_FORBIDDEN',
    'the credentials do not allow this',
  ],
])('%s', (error, status, code, detail) => {
  expect(problemOf(error, 99)).toMatchObject({ status, code, detail, error });
});

test.each([
  new ServiceUnavailableException('host db-7'),
  new HttpException('host db-7', 500),
  Object.assign(new Error('host db-7'), { statusCode: 500 }),
  Object.assign(new Error('host db-7'), { statusCode: 'x', code: {} }),
  'host db-7',
  undefined,
  null,
  { status: 404, message: 'host db-7' },
])('no 5xx tells what happened: %p', (error) => {
  const { detail, title, status } = problemOf(error);
  expect(status).toBeGreaterThanOrEqual(500);
  expect(`${title} ${detail}`).not.toContain('db-7');
});

import type { ErrorRenderer } from './index.js';
import { sendRaw, startSite, type Site } from './testing/site.js';

const renderer: ErrorRenderer = {
  render: (problem, { requestId }) => {
    if (problem.code === 'RK_HTTP_CONFLICT') throw new Error('the renderer is broken');
    return {
      status: problem.status === 400 ? 422 : problem.status,
      contentType: 'application/json; charset=utf-8',
      headers: { 'x-own': requestId },
      body: { errors: { [problem.fields?.[0]?.field ?? 'request']: [problem.code] } },
    };
  },
};
let site: Site;
beforeAll(async () => {
  site = await startSite({ errorRenderer: renderer });
});
afterAll(() => site.close());

test.each([
  ['a field', 'GET /things?limit=x', 422, { errors: { limit: ['RK_HTTP_INVALID_INPUT'] } }],
  ['an unknown route', 'GET /nowhere', 404, { errors: { request: ['RK_HTTP_ROUTE_NOT_FOUND'] } }],
  ['a path that cannot be decoded', 'GET /%ff', 422, { errors: { request: ['RK_HTTP_BAD_URL'] } }],
  ['a failure inside', 'GET /fail/else', 500, { errors: { request: ['RK_HTTP_INTERNAL'] } }],
  ['bytes that are no request', 'nonsense', 422, { errors: { request: ['RK_HTTP_MALFORMED_REQUEST'] } }],
])('%s is rendered by the application', async (_what, line, status, body) => {
  const answer = await sendRaw(site.port, `${line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(JSON.parse(answer.split('\r\n\r\n')[1]!)).toEqual(body);
  const id = /x-request-id: (\S+)/.exec(answer)![1];
  expect(answer).toContain(`x-own: ${id}`);
});

test('a renderer that throws is replaced by the default one, and reported', async () => {
  const response = await fetch(`${site.url}/fail/nest`);
  expect(response.status).toBe(409);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(site.logged.map(({ message }) => message)).toContain('the error renderer failed');
});

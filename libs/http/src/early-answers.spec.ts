import { answerEarly, type EarlyAnswer, type RequestDone } from './index.js';
import { sendRaw, SiteModule, startSite, type Site } from './testing/site.js';

const READY: EarlyAnswer = {
  status: 200,
  route: '/context',
  headers: { 'content-type': 'application/json; charset=utf-8', etag: '"a"', 'cache-control': 'no-cache' },
  body: Buffer.from('{"early":true}'),
};

describe('answers before the router', () => {
  let site: Site;
  const done: RequestDone[] = [];
  const observed: unknown[] = [];
  const asked: string[] = [];
  beforeAll(async () => {
    site = await startSite(
      {
        corsOrigins: ['https://app.example'],
        onRequestDone: (one) => {
          done.push(one);
          if (one.path === '/thrown') throw new Error('an access log that fails');
        },
        meter: {
          counter: () => ({ add: () => undefined }),
          histogram: () => ({ observe: (_value, labels) => observed.push(labels) }),
          gauge: () => () => undefined,
        },
      },
      SiteModule,
      (app) =>
        answerEarly(
          app,
          (url, _headers, viewer) => {
            asked.push(viewer === undefined ? url : `${viewer} ${url}`);
            return url.startsWith('/raw') ? undefined : READY;
          },
          (authorization) => (authorization === 'Token known' ? 'ann' : undefined),
        ),
    );
  });
  afterAll(() => site.close());
  beforeEach(() => [done, observed, asked].forEach((list) => list.splice(0)));

  it('carry the header fields of every answer, their own, and the body', async () => {
    const usual = await fetch(`${site.url}/raw`);
    const early = await fetch(`${site.url}/context`, { headers: { 'x-request-id': 'mine' } });
    expect([early.status, await early.text()]).toEqual([200, '{"early":true}']);
    const own = { ...READY.headers, 'x-request-id': 'mine', 'content-length': '14' };
    expect(Object.fromEntries(early.headers)).toEqual({
      ...Object.fromEntries(usual.headers),
      ...own,
      date: early.headers.get('date'),
    });
  });

  it('are counted and told of as any request', async () => {
    await fetch(`${site.url}/context?a=secret`, {
      headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
    });
    expect(observed).toEqual([{ method: 'GET', route: '/context', status: '200' }]);
    expect(done).toMatchObject([
      {
        method: 'GET',
        route: '/context',
        path: '/context',
        status: 200,
        address: '127.0.0.1',
        viewerId: undefined,
        traceId: '0af7651916cd43dd8448eb211c80319c',
      },
    ]);
    expect((await fetch(`${site.url}/thrown`)).status).toBe(200);
  });

  it('are given to a caller who is known, by name, each with an id of its own', async () => {
    const headers = { authorization: 'Token known' };
    const answers = await Promise.all([1, 2].map(() => fetch(`${site.url}/context`, { headers })));
    expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual([
      '{"early":true}',
      '{"early":true}',
    ]);
    expect(asked).toEqual(['ann /context', 'ann /context']);
    expect(done).toMatchObject([{ viewerId: 'ann' }, { viewerId: 'ann' }]);
    expect(new Set(answers.map((answer) => answer.headers.get('x-request-id'))).size).toBe(2);
  });

  it.each([
    ['credentials of somebody unknown', 'Authorization: Token x\r\n'],
    ['a cookie', 'Cookie: a=b\r\n'],
    ['an origin', 'Origin: https://app.example\r\n'],
    ['a range', 'Range: bytes=0-1\r\n'],
    ['a body', 'Content-Length: 0\r\n'],
  ])('are not given to a request with %s', async (_, field) => {
    const answer = await sendRaw(
      site.port,
      `GET /context HTTP/1.1\r\nHost: a\r\n${field}Connection: close\r\n\r\n`,
    );
    expect(answer).not.toContain('early');
    expect(asked).toEqual([]);
  });

  it('are not given to what is no GET, nor without a host', async () => {
    for (const head of ['HEAD /context HTTP/1.1\r\nHost: a', 'GET /context HTTP/1.1']) {
      const answer = await sendRaw(site.port, `${head}\r\nConnection: close\r\n\r\n`);
      expect(answer).not.toContain('early');
    }
    expect(asked).toEqual([]);
  });
});

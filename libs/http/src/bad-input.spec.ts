import { request } from 'node:http';
import { problemIn, sendRaw, startSite, type ProblemBody, type Site } from './testing/site.js';

let site: Site;
beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site.close());

function send(path: string, body: string | Buffer | undefined, type = 'application/json', method = 'POST') {
  const init: RequestInit = { method, headers: type === '' ? {} : { 'content-type': type }, body };
  return fetch(site.url + path, init);
}

const fields = ({ fields: all }: ProblemBody) => all?.map(({ field, reason }) => [field, reason]);

/** The answer to a body, and to a second request on the same connection. */
async function invalid(path: string, body: string, status = 422): Promise<ProblemBody> {
  const response = await send(path, body);
  expect(response.status).toBe(status);
  return problemIn(response);
}

describe('bodies', () => {
  test.each([
    ['{}', [['thing', 'missing']]],
    ['{"thing":null}', [['thing', 'null']]],
    ['{"thing":[]}', [['thing', 'type']]],
    ['{"thing":{}}', [['thing.name', 'missing']]],
    ['{"thing":{"name":3}}', [['thing.name', 'type']]],
    ['{"thing":{"name":""}}', [['thing.name', 'blank']]],
    [`{"thing":{"name":"${'a'.repeat(101)}"}}`, [['thing.name', 'too_big']]],
    [
      '{"thing":{"name":"a","tags":["a",1],"count":1.5}}',
      [
        ['thing.tags.1', 'type'],
        ['thing.count', 'type'],
      ],
    ],
    ['[]', [['', 'type']]],
    ['"text"', [['', 'type']]],
    ['null', [['', 'null']]],
    ['{"thing":{"name":"a\\u0000b"}}', [['thing.name', 'not_text']]],
    ['{"thing":{"name":"a\\ud800b"}}', [['thing.name', 'not_text']]],
    ['{"thing":{"name":"a","tags":["\\udc00\\ud800"]}}', [['thing.tags.0', 'not_text']]],
    ['{"thing":{"a\\u0000":1}}', [['thing', 'not_text']]],
  ])('%s is 422 with its field', async (body, expected) => {
    const problem = await invalid('/things', body);
    expect(problem.code).toBe('RK_HTTP_INVALID_INPUT');
    expect(fields(problem)).toEqual(expected);
  });

  test('text that is text passes: pairs of surrogates, right-to-left, other escapes', async () => {
    const response = await send('/things', '{"thing":{"name":"\\ud83d\\ude00 שלום \\u0041 🙂","other":1}}');
    expect(response.status).toBe(201);
    expect(await response.json()).toEqual({ name: '😀 שלום A 🙂' });
  });

  test('no route can let U+0000 through: without a schema it is refused too', async () => {
    expect(fields(await invalid('/echo', '{"a":[{"b":"\\u0000"}]}'))).toEqual([['a.0.b', 'not_text']]);
    expect(fields(await invalid('/echo', '"\\u0000"'))).toEqual([['', 'not_text']]);
  });

  test.each(['{', '{"a":}', 'nope', '{"a":1}x', '\ufeff{}', '{"a":"\u0001"}', "{'a':1}"])(
    'malformed JSON is 400: %j',
    async (body) => {
      expect(await invalid('/things', body, 400)).toMatchObject({ code: 'RK_HTTP_MALFORMED_JSON' });
    },
  );

  test('bytes that are not UTF-8 are 400', async () => {
    const body = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]);
    expect(await problemIn(await send('/echo', body))).toMatchObject({ code: 'RK_HTTP_MALFORMED_JSON' });
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'a', ''])(
    'content type %j is 415',
    async (type) => {
      const response = await send('/things', Buffer.from('{"thing":{"name":"a"}}'), type);
      expect(response.status).toBe(415);
      expect(await problemIn(response)).toMatchObject({ code: 'RK_HTTP_UNSUPPORTED_MEDIA_TYPE' });
    },
  );

  test('an empty JSON body is no body: fine where none is expected, missing where one is', async () => {
    expect((await send('/things/1/star', '')).status).toBe(200);
    expect((await send('/things/1', '', 'application/json', 'DELETE')).status).toBe(204);
    expect(fields(await invalid('/things', ''))).toEqual([['thing', 'missing']]);
    expect((await send('/things/1/star', '', 'application/x-www-form-urlencoded')).status).toBe(200);
  });

  test('__proto__ and constructor keys are dropped and pollute nothing', async () => {
    const body =
      '{"a":1,"__proto__":{"polluted":true},"x":{"\\u005f_proto__":{"polluted":true}},' +
      '"constructor":{"prototype":{"polluted":true}},"y":{"constructor":"mine"}}';
    const response = await send('/echo?__proto__=1&constructor=2', body);
    expect(response.status).toBe(201);
    expect(((await response.json()) as { body: unknown }).body).toEqual({
      a: 1,
      x: {},
      y: { constructor: 'mine' },
    });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    const made = await send('/things', '{"__proto__":{"thing":{"name":"a"}}}');
    expect(made.status).toBe(422);
  });

  test('10,000 levels are refused with the field, and so are a hundred thousand', async () => {
    const deep = '{"thing":' + '['.repeat(10_000) + ']'.repeat(10_000) + '}';
    expect(fields(await invalid('/things', deep))).toEqual([['thing.0.0.0.0.0.0.0', 'too_deep']]);
    const deeper = '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000);
    expect(await invalid('/echo', deeper)).toMatchObject({ code: 'RK_HTTP_INVALID_INPUT' });
    const within = '['.repeat(32) + ']'.repeat(32);
    expect((await send('/echo', within)).status).toBe(201);
    expect((await send('/echo', `[${within}]`)).status).toBe(422);
  });

  test('10,000 tags are refused with the field', async () => {
    const many = JSON.stringify({ thing: { name: 'a', tags: Array.from({ length: 10_000 }, () => 't') } });
    expect(fields(await invalid('/things', many))).toEqual([['thing.tags', 'too_big']]);
  });

  test('10 MB are answered 413, and the connection goes on', async () => {
    const big = Buffer.alloc(10 * 1_048_576, 'a');
    for (const chunked of [false, true]) {
      const answers = await overOneConnection(big, chunked);
      expect(answers).toEqual([
        [413, 'RK_HTTP_BODY_TOO_LARGE'],
        [200, undefined],
      ]);
    }
    const response = await send('/things', big);
    expect(response.status).toBe(413);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
  });

  test('malformed JSON does not cost the connection', async () => {
    const answer = await sendRaw(
      site.port,
      'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n{' +
        'GET /raw HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
    );
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400', 'HTTP/1.1 200']);
  });
});

describe('queries and paths', () => {
  const get = (path: string) => fetch(site.url + path);

  test.each(['-1', '0', '101', '1.5', '1e1', 'x', '', ' 5', '9'.repeat(16), '9'.repeat(40), '0x10', 'NaN'])(
    'limit=%s is 422 under limit',
    async (limit) => {
      const response = await get(`/things?limit=${encodeURIComponent(limit)}`);
      expect(response.status).toBe(422);
      expect((await problemIn(response)).fields).toMatchObject([{ field: 'limit', in: 'query' }]);
    },
  );

  test('what is not given has its default, what is given is a number, what is unknown is dropped', async () => {
    expect(await (await get('/things?tag=a&x=1')).json()).toEqual({
      things: [],
      page: { limit: 20, tag: 'a' },
    });
    expect(await (await get('/things?limit=7')).json()).toEqual({ things: [], page: { limit: 7 } });
  });

  test('a parameter given twice is of a wrong type', async () => {
    expect(fields(await problemIn(await get('/things?limit=1&limit=2')))).toEqual([['limit', 'type']]);
    expect(fields(await problemIn(await get('/things?tag=1&tag=2')))).toEqual([['tag', 'type']]);
  });

  test.each(['1.5', '-1', 'x', '9007199254740993', '1'.repeat(500)])('id %s is 422 under id', async (id) => {
    const response = await get(`/things/${id}`);
    expect(response.status).toBe(422);
    expect((await problemIn(response)).fields).toMatchObject([{ field: 'id', in: 'path' }]);
  });

  test('U+0000 in a query or path is refused, with or without a schema', async () => {
    expect(fields(await problemIn(await get('/things?tag=a%00b')))).toEqual([['tag', 'not_text']]);
    expect(fields(await problemIn(await get('/things/named/a%00b')))).toEqual([['name', 'not_text']]);
    expect(fields(await problemIn(await send('/echo?a=1&a=%00', '{}')))).toEqual([['a', 'not_text']]);
    expect(await (await get('/things/named/a%2500b')).json()).toEqual({ name: 'a%00b' });
  });

  test.each(['/%', '/%ff', '/%E0%A4', '/things/%zz', '/things/named/%ed%a0%80'])(
    'malformed percent-encoding %s is 400 with our header fields',
    async (path) => {
      const answer = await sendRaw(site.port, `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1.1 400 /);
      expect(answer).toContain('RK_HTTP_BAD_URL');
      expect(answer).toContain('content-type: application/problem+json');
      expect(answer).toContain('x-content-type-options: nosniff');
      expect(answer).toMatch(/x-request-id: [0-9a-f-]{36}/);
    },
  );

  test('malformed percent-encoding in a query is taken as it is written', async () => {
    expect(await (await get('/things?tag=%E0%A4%zz')).json()).toMatchObject({ page: { limit: 20 } });
  });

  test('a path parameter beyond the limit is 414', async () => {
    const response = await get(`/things/named/${'a'.repeat(3000)}`);
    expect(await problemIn(response)).toMatchObject({ status: 414, code: 'RK_HTTP_URI_TOO_LONG' });
  });
});

describe('what is not a request', () => {
  test.each([
    ['garbage', 'hello\r\n\r\n', 400, 'RK_HTTP_MALFORMED_REQUEST'],
    ['an unknown method', 'FROB / HTTP/1.1\r\nhost: x\r\n\r\n', 400, 'RK_HTTP_MALFORMED_REQUEST'],
    ['U+0000 in a header', 'GET / HTTP/1.1\r\nhost: x\r\na: \0\r\n\r\n', 400, 'RK_HTTP_MALFORMED_REQUEST'],
    [
      'a header too large',
      `GET / HTTP/1.1\r\nhost: x\r\na: ${'a'.repeat(20_000)}\r\n\r\n`,
      431,
      'RK_HTTP_HEADERS_TOO_LARGE',
    ],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'RK_HTTP_MALFORMED_REQUEST',
    ],
  ])('%s is answered %s in the form of any other failure', async (_what, bytes, status, code) => {
    const answer = await sendRaw(site.port, bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toContain(code);
    expect(answer).toContain('content-type: application/problem+json');
    expect(answer).toContain('x-content-type-options: nosniff');
    const [, body] = answer.split('\r\n\r\n');
    expect(JSON.parse(body!)).toMatchObject({ status, code });
  });

  test.each([
    ['an encoding nobody knows', 'transfer-encoding: feathers', '{"thing":{}}'],
    ['chunks that are none', 'transfer-encoding: chunked', 'zz\r\nx\r\n'],
  ])('a body in %s gets one answer, also where it was refused before it was read', async (_, field, body) => {
    for (const path of ['/nowhere', '/things']) {
      const answer = await sendRaw(site.port, `POST ${path} HTTP/1.1\r\nhost: x\r\n${field}\r\n\r\n${body}`);
      expect(answer.match(/^HTTP\/1\.1 \d+/gm)).toEqual([expect.stringMatching(/ 4\d\d$/)]);
    }
  });

  test.each(['TRACE', 'PROPFIND', 'LOCK', 'M-SEARCH', 'PURGE', 'OPTIONS'])(
    'method %s is refused',
    async (method) => {
      const answer = await sendRaw(
        site.port,
        `${method} /things HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1.1 405 /);
      expect(answer).toMatch(/allow: GET, HEAD, POST/);
      expect(answer).toContain('RK_HTTP_METHOD_NOT_ALLOWED');
    },
  );

  test.each(['CONNECT x:1', 'OPTIONS *', 'GET things', 'GET http://x/nowhere'])(
    'target of %s is refused without harm',
    async (line) => {
      const answer = await sendRaw(site.port, `${line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1.1 4\d\d /);
      expect(answer).toContain('RK_HTTP_');
    },
  );

  test('no host, or an expectation nobody can meet, is answered', async () => {
    expect(await sendRaw(site.port, 'GET /raw HTTP/1.1\r\nconnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1.1 400 [^]*RK_HTTP_/,
    );
    const expecting = 'GET /raw HTTP/1.1\r\nhost: x\r\nexpect: wonders\r\nconnection: close\r\n\r\n';
    expect(await sendRaw(site.port, expecting)).toMatch(/^HTTP\/1.1 417 [^]*RK_HTTP_/);
  });

  test('after all of it the server still serves', async () => {
    expect((await fetch(`${site.url}/raw`)).status).toBe(200);
    expect(site.logged).toEqual([]);
  });
});

/** Posts `body` and then gets `/raw`, both over one connection; status and code of each. */
async function overOneConnection(body: Buffer, chunked: boolean): Promise<[number, string | undefined][]> {
  const { Agent } = await import('node:http');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set<unknown>();
  const ask = (method: string, path: string, payload?: Buffer) =>
    new Promise<[number, string | undefined]>((resolve, reject) => {
      const headers = payload === undefined ? {} : { 'content-type': 'application/json' };
      const sent = request(site.url + path, { method, agent, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () =>
          resolve([response.statusCode!, (JSON.parse(text) as { code?: string }).code]),
        );
      });
      sent.on('socket', (socket) => sockets.add(socket)).on('error', reject);
      if (chunked && payload !== undefined) {
        sent.write(payload.subarray(0, payload.length / 2));
        sent.end(payload.subarray(payload.length / 2));
      } else sent.end(payload);
    });
  const answers = [await ask('POST', '/things', body), await ask('GET', '/raw')];
  agent.destroy();
  expect(sockets.size).toBe(1);
  return answers;
}

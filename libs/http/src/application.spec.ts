import { once } from 'node:events';
import { connect } from 'node:net';
import { nextHanging, problemIn, seen, sendRaw, startSite, type Site } from './testing/site.js';
import type { RequestDone } from './index.js';

let site: Site;
const done: RequestDone[] = [];
const observed: { value: number; labels: unknown }[] = [];
let inFlight: () => Iterable<{ value: number }> = () => [];

beforeAll(async () => {
  site = await startSite({
    corsOrigins: ['https://app.example'],
    onRequestDone: (one) => done.push(one),
    meter: {
      counter: () => ({ add: () => undefined }),
      histogram: () => ({ observe: (value, labels) => observed.push({ value, labels }) }),
      gauge: (_options, read) => {
        inFlight = read;
        return () => undefined;
      },
    },
  });
});
afterAll(() => site.close());

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(site.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

async function until(met: () => boolean): Promise<void> {
  while (!met()) await new Promise(setImmediate);
}

describe('context', () => {
  test('guard, pipe and handler see one context, a body and a wait between them', async () => {
    const response = await post(
      '/things',
      { thing: { name: 'a'.repeat(90) } },
      { 'x-request-id': 'req.1_A-b' },
    );
    expect(response.status).toBe(201);
    expect(response.headers.get('x-request-id')).toBe('req.1_A-b');
    expect(seen['handler']?.requestId).toBe('req.1_A-b');
    expect(seen['guard']).toBe(seen['handler']);
    expect(seen['pipe']).toBe(seen['handler']);
  });

  test('requests on one connection, bodies in many pieces, do not see each other', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        const id = `r${n}`;
        const response = await post('/things', { thing: { name: id } }, { 'x-request-id': id });
        return [id, response.headers.get('x-request-id'), ((await response.json()) as { name: string }).name];
      }),
    );
    for (const [id, echoed, name] of answers) expect([echoed, name]).toEqual([id, id]);
  });

  test('an invalid request id is replaced, a valid traceparent is taken, the route is known', async () => {
    const response = await fetch(`${site.url}/context`, {
      headers: {
        'x-request-id': 'has space',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        'request-timeout-ms': '20000',
      },
    });
    const body = (await response.json()) as Record<string, unknown>;
    expect(body).toMatchObject({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      route: '/context',
      budgetMs: 20_000,
    });
    expect(body['requestId']).toMatch(/^[0-9a-f-]{36}$/);
    expect(response.headers.get('x-request-id')).toBe(body['requestId']);
  });
});

describe('deadline', () => {
  test('a handler that hangs is answered 504 at the deadline of the application', async () => {
    const hasty = await startSite({ deadlineMs: 300 });
    const started = performance.now();
    const hanging = nextHanging();
    const response = await fetch(`${hasty.url}/hang`);
    const took = performance.now() - started;
    expect(response.status).toBe(504);
    expect(await problemIn(response)).toMatchObject({ code: 'RK_KERNEL_DEADLINE_EXCEEDED', status: 504 });
    expect(took).toBeGreaterThan(290);
    // Far from the default of five seconds.
    expect(took).toBeLessThan(4_500);
    (await hanging).release({ late: true });
    await hasty.close();
    expect(hasty.logged.map(({ message }) => message)).toEqual(['a request failed']);
  });

  test('a late answer is dropped', async () => {
    const hanging = nextHanging();
    const response = await fetch(`${site.url}/hang`, { headers: { 'request-timeout-ms': '20' } });
    expect(response.status).toBe(504);
    const { length } = site.logged;
    (await hanging).release({ late: true });
    expect((await fetch(`${site.url}/context`)).status).toBe(200);
    expect(site.logged.slice(length)).toEqual([]);
  });

  test('a late failure is dropped too, but not lost', async () => {
    const hanging = nextHanging();
    const response = await fetch(`${site.url}/hang`, { headers: { 'request-timeout-ms': '20' } });
    expect(response.status).toBe(504);
    const { length } = site.logged;
    (await hanging).fail(new Error('late'));
    expect((await fetch(`${site.url}/context`)).status).toBe(200);
    expect(site.logged.slice(length)).toMatchObject([
      { message: 'a request failed after its answer', fields: { err: new Error('late'), route: '/hang' } },
    ]);
  });

  test('an answered request leaves no timer behind', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const calm = await startSite({ deadlineMs: 60_000 });
    await (await fetch(`${calm.url}/raw`)).text();
    const before = timers();
    for (let n = 0; n < 10; n++) await (await fetch(`${calm.url}/raw`)).text();
    await calm.close();
    // Others come and go; ten would be ours.
    expect(timers()).toBeLessThan(before + 5);
  });

  test('a body that never arrives is answered 408', async () => {
    const answer = await sendRaw(
      site.port,
      'POST /echo HTTP/1.1\r\nhost: x\r\nrequest-timeout-ms: 300\r\ncontent-type: application/json\r\n' +
        'content-length: 100\r\n\r\n{',
    );
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
    expect(answer).toContain('RK_HTTP_REQUEST_TIMEOUT');
    expect(answer).toMatch(/connection: close/i);
  });
});

describe('failures', () => {
  test('a coded error keeps its code and status; below 500 also its message', async () => {
    const response = await fetch(`${site.url}/fail/id`);
    expect(response.status).toBe(400);
    expect(await problemIn(response)).toMatchObject({
      code: 'RK_KERNEL_BAD_ID',
      detail: 'not an id of this cluster: x',
    });
  });

  test('503 keeps its code, says when to come again, and tells nothing of the inside', async () => {
    const response = await fetch(`${site.url}/fail/coded`);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('3');
    const body = await response.text();
    expect(body).toContain('RK_TEST_AWAY');
    expect(body).not.toContain('secret-host');
  });

  test('exceptions of Nest are mapped by their status', async () => {
    expect(await problemIn(await fetch(`${site.url}/fail/nest`))).toMatchObject({
      status: 409,
      code: 'RK_HTTP_CONFLICT',
      detail: 'there is one already',
    });
    expect(await problemIn(await fetch(`${site.url}/fail/missing`))).toMatchObject({
      status: 404,
      code: 'RK_HTTP_NOT_FOUND',
    });
  });

  test('anything else is 500 without a word of what it was, logged with the request id and the error', async () => {
    const response = await fetch(`${site.url}/fail/else`, { headers: { 'x-request-id': 'lost-1' } });
    const body = await response.text();
    expect(response.status).toBe(500);
    expect(body).toContain('RK_HTTP_INTERNAL');
    expect(body).not.toContain('hunter2');
    const entry = site.logged.find(({ fields }) => fields['requestId'] === 'lost-1');
    expect(entry?.fields['err']).toEqual(new TypeError('password=hunter2'));
  });

  test('an unknown route is 404, a known path with another method 405 with Allow', async () => {
    expect(await problemIn(await fetch(`${site.url}/nowhere`))).toMatchObject({
      status: 404,
      code: 'RK_HTTP_ROUTE_NOT_FOUND',
    });
    const response = await fetch(`${site.url}/things/7`, { method: 'PATCH' });
    expect(await problemIn(response)).toMatchObject({ status: 405, code: 'RK_HTTP_METHOD_NOT_ALLOWED' });
    expect(response.headers.get('allow')).toBe('DELETE, GET, HEAD');
  });
});

describe('answers', () => {
  test('ready JSON is sent as it is', async () => {
    const response = await fetch(`${site.url}/raw`);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await response.text()).toBe('{"raw" : true}');
    expect(await (await fetch(`${site.url}/raw-bytes`)).text()).toBe('{"raw" : "bytes"}');
  });

  test.each(['/raw', '/nowhere', '/%ff', '/fail/else'])(
    '%s carries the security header fields',
    async (path) => {
      const { headers } = await fetch(site.url + path);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'");
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-powered-by')).toBeNull();
      expect(headers.get('x-request-id')).not.toBeNull();
    },
  );

  test('a handler may say that its answer may be kept', async () => {
    expect((await fetch(`${site.url}/cached`)).headers.get('cache-control')).toBe('max-age=60');
  });

  test('a request with cookies is served', async () => {
    const response = await fetch(`${site.url}/raw`, { headers: { cookie: 'a=1; b="x y"; __proto__=1' } });
    expect(response.status).toBe(200);
  });
});

describe('CORS', () => {
  const from = (origin: string, method = 'GET') =>
    fetch(`${site.url}/raw`, {
      method,
      headers: { origin, ...(method === 'OPTIONS' ? { 'access-control-request-method': 'PUT' } : {}) },
    });

  test('listed origins are allowed, others are not', async () => {
    const allowed = await from('https://app.example', 'OPTIONS');
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect((await from('https://app.example')).headers.get('access-control-allow-origin')).toBe(
      'https://app.example',
    );
    expect((await from('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull();
    expect(
      (await from('https://evil.example', 'OPTIONS')).headers.get('access-control-allow-origin'),
    ).toBeNull();
  });

  test('without a list there is none', async () => {
    const bare = await startSite();
    const response = await fetch(`${bare.url}/raw`, { headers: { origin: 'https://app.example' } });
    await bare.close();
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('measures', () => {
  test('each request is measured once by route template, and reported once', async () => {
    await until(() => [...inFlight()][0]!.value === 0);
    done.length = observed.length = 0;
    for (const path of ['/things/12?secret=1', '/nowhere/12', '/%ff']) {
      const { length } = done;
      await (await fetch(site.url + path)).text();
      await until(() => done.length > length);
    }
    expect(done).toHaveLength(3);
    expect(observed.map(({ labels }) => labels)).toEqual([
      { method: 'GET', route: '/things/:id', status: '200' },
      { method: 'GET', route: 'unmatched', status: '404' },
      { method: 'GET', route: 'unmatched', status: '400' },
    ]);
    expect(done[0]).toMatchObject({ path: '/things/12', status: 200, address: '127.0.0.1' });
    expect(done[1]).toMatchObject({ code: 'RK_HTTP_ROUTE_NOT_FOUND' });
    expect([...inFlight()]).toEqual([{ value: 0 }]);
  });

  test('a client that leaves is 499, and no longer in flight', async () => {
    done.length = 0;
    const leave = new AbortController();
    const begun = nextHanging();
    const pending = fetch(`${site.url}/hang`, { signal: leave.signal });
    const hanging = await begun;
    expect([...inFlight()]).toEqual([{ value: 1 }]);
    leave.abort();
    await expect(pending).rejects.toThrow('aborted');
    await until(() => done.length === 1);
    expect(done[0]).toMatchObject({ status: 499, route: '/hang' });
    expect([...inFlight()]).toEqual([{ value: 0 }]);
    hanging.release('late');
  });

  test('an upload that its sender breaks off is 499, and no failure of the server', async () => {
    done.length = 0;
    const { length } = site.logged;
    const { port } = new URL(site.url);
    const socket = connect(Number(port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write(
      'POST /things HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"thing":',
    );
    await until(() => [...inFlight()][0]!.value === 1);
    socket.destroy();
    await until(() => done.length === 1);
    expect(done[0]).toMatchObject({ status: 499, route: '/things' });
    // By the time that another one has been answered it would have been told of.
    await (await fetch(`${site.url}/things`)).text();
    expect(site.logged.slice(length)).toEqual([]);
  });
});

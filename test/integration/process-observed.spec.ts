import { buildIfStale } from '../../scripts/build-if-stale.mjs';
import type { TestDatabases } from '@rookery/devstack/testing';
import { ChildSite } from '../support/child-site.js';
import { conduitDatabases } from '../support/site.js';

/** A site that runs, as those see it who run it: its metrics, its health, its log. */
let databases: TestDatabases;
let site: ChildSite;
let token: string;
const PASSWORD = 'my-dog-is-called-rex';

beforeAll(async () => {
  await buildIfStale();
  databases = await conduitDatabases(2);
  site = await new ChildSite({
    SHARD_URLS: databases.urls.join(','),
    JWT_SECRET: 'a secret that is long enough for HS256',
    REPLICA_ID: 'watched',
  }).ready();
  const user = { username: 'ada', email: 'ada@example.com', password: PASSWORD };
  const registered = await ask('POST', '/api/users', { body: { user } });
  expect(registered.status).toBe(201);
  token = (JSON.parse(registered.text) as { user: { token: string } }).user.token;
}, 180_000);
afterAll(async () => {
  await site.stop();
  await databases.drop();
}, 120_000);

interface Asked {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly on?: string;
}

async function ask(method: string, path: string, { body, headers = {}, on = site.url }: Asked = {}) {
  const response = await fetch(`${on}${path}`, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Samples of the operations port: value by name and labels, as they are written. */
async function metrics(): Promise<Map<string, number>> {
  const { status, headers, text } = await ask('GET', '/metrics', { on: site.opsUrl });
  expect(status).toBe(200);
  expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const [, series, value] = /^([a-z_][a-z0-9_]*(?:\{.*\})?) (\S+)$/i.exec(line) ?? [];
      if (series === undefined) throw new Error(`no sample: ${line}`);
      return [series, Number(value)];
    }),
  );
}

/** Samples as they are once this holds of them: what they tell is a moment's, and a machine that is busy has others. */
async function metricsOnce(
  what: string,
  holds: (samples: Map<string, number>) => boolean,
): Promise<Map<string, number>> {
  let samples = new Map<string, number>();
  await site.until(what, async () => holds((samples = await metrics())));
  return samples;
}

/** Lines of the log about the request with this id, once its access line is among them. */
async function logOf(requestId: string): Promise<Record<string, unknown>[]> {
  const lines = () => site.log.filter((line) => line['http.request.id'] === requestId);
  await site.until(`the access line of ${requestId}`, () =>
    lines().some((line) => line['event.dataset'] === 'conduit.access'),
  );
  return lines();
}

describe('metrics', () => {
  it('are on the operations port, and on the public one nothing of it', async () => {
    await metrics();
    for (const path of ['/metrics', '/api/metrics', '/health']) {
      expect((await ask('GET', path)).status).toBe(404);
    }
  });

  it('tell the duration of requests by method, route template and status, and nothing that a client chose', async () => {
    await ask('GET', '/api/articles?tag=secret-tag');
    await ask('GET', '/api/articles/some-secret-slug');
    await ask('GET', '/some-secret-path');
    await ask('GET', '/api/profiles/ada');
    const series = (labels: string) => `http_server_request_duration_seconds_count{${labels}}`;
    // A request is counted once its answer is out, which its client may see before.
    const samples = await metricsOnce('the last request to be counted', (counted) =>
      counted.has(series('method="GET",route="/api/profiles/:username",status="200"')),
    );
    const count = (labels: string) => samples.get(series(labels));
    expect(count('method="GET",route="/api/articles",status="200"')).toBe(1);
    expect(count('method="GET",route="/api/articles/:slug",status="404"')).toBe(1);
    expect(count('method="GET",route="/api/profiles/:username",status="200"')).toBe(1);
    expect(count('method="POST",route="/api/users",status="201"')).toBe(1);
    expect(count('method="GET",route="unmatched",status="404"')).toBeGreaterThanOrEqual(1);
    expect([...samples.keys()].filter((series) => /secret|ada/.test(series))).toEqual([]);
    expect(
      samples.get(
        'http_server_request_duration_seconds_bucket{le="+Inf",method="GET",route="/api/articles",status="200"}',
      ),
    ).toBe(1);
  });

  it('tell how busy pools, event loop, passwords, slot map and process are', async () => {
    const shards = ['s1', 's2'];
    const waiting = (shard: string) => `rookery_sharding_pool_connections{shard="${shard}",state="waiting"}`;
    const age = (shard: string) => `rookery_sharding_slot_map_age_seconds{shard="${shard}"}`;
    // The lag is that since the sample before, which was taken a moment ago.
    const samples = await metricsOnce(
      'a slot map that was confirmed just now, nobody waiting, and a lag',
      (now) =>
        now.get('nodejs_eventloop_lag_p99_seconds')! > 0 &&
        now.get('rookery_security_password_queue_length') === 0 &&
        shards.every((shard) => now.get(age(shard))! < 3 && now.get(waiting(shard)) === 0),
    );
    for (const shard of shards) {
      const pool = (state: string) =>
        samples.get(`rookery_sharding_pool_connections{shard="${shard}",state="${state}"}`);
      expect(pool('idle')! + pool('busy')!).toBeGreaterThanOrEqual(1);
      expect(samples.get(`rookery_sharding_slots{shard="${shard}"}`)).toBe(2048);
      expect(samples.get(`rookery_sharding_pool_wait_seconds_count{shard="${shard}"}`)).toBeGreaterThan(0);
    }
    expect(samples.get('rookery_event_loop_utilization_ratio')).toBeGreaterThanOrEqual(0);
    expect(samples.get('rookery_security_password_duration_seconds_count')).toBeGreaterThanOrEqual(1);
    expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(0);
  });
});

describe('health', () => {
  /** What is told once nothing is amiss: where the machine stands still for a moment, something may be. */
  async function whenWell(path: string, on = site.url) {
    let answer = await ask('GET', path, { on });
    await site.until(`${path} to tell nothing amiss`, async () => {
      if (!/"(down|degraded)"/.test(answer.text)) return true;
      answer = await ask('GET', path, { on });
      return false;
    });
    return answer;
  }

  it('is told with details per shard on the operations port', async () => {
    const { status, text } = await whenWell('/health', site.opsUrl);
    expect(status).toBe(200);
    const shard = { status: 'up', critical: false, slots: 2048, confirmedMsAgo: expect.any(Number) };
    expect(JSON.parse(text)).toMatchObject({
      status: 'ok',
      details: { 'shard-s1': shard, 'shard-s2': shard, keys: { status: 'up', signing: expect.any(String) } },
      error: {},
    });
  });

  it('is told without details on the public port', async () => {
    const told = async (path: string) => {
      const { status, text } = await whenWell(path);
      return [status, JSON.parse(text) as unknown];
    };
    expect(await told('/health/live')).toEqual([200, { status: 'ok' }]);
    expect(await told('/health/started')).toEqual([200, { status: 'ok' }]);
    expect(await told('/health/ready')).toEqual([
      200,
      {
        status: 'ok',
        indicators: { 'shard-s1': 'ok', 'shard-s2': 'ok', keys: 'ok', events: 'ok', cache: 'ok' },
      },
    ]);
  });
});

describe('the log', () => {
  it('has one line per request, with what was asked, what was answered, by whom and how fast', async () => {
    const { headers } = await ask('GET', '/api/user?x=y', { headers: { authorization: `Token ${token}` } });
    const lines = await logOf(headers.get('x-request-id')!);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      'log.level': 'info',
      'ecs.version': expect.any(String),
      'service.name': 'conduit',
      'service.version': expect.any(String),
      'service.node.name': 'watched',
      'event.dataset': 'conduit.access',
      'event.duration': expect.any(Number),
      'http.request.method': 'GET',
      'http.route': '/api/user',
      'http.response.status_code': 200,
      'url.path': '/api/user',
      'client.ip': '127.0.0.1',
      'user.id': (JSON.parse(atob(token.split('.')[1]!)) as { sub: string }).sub,
      message: 'GET /api/user 200',
    });
    expect(Number.isNaN(Date.parse(String(lines[0]!['@timestamp'])))).toBe(false);
  });

  it('takes over the id that a request comes with', async () => {
    const { headers } = await ask('GET', '/api/tags', { headers: { 'x-request-id': 'from-the-edge-1' } });
    expect(headers.get('x-request-id')).toBe('from-the-edge-1');
    expect(await logOf('from-the-edge-1')).toHaveLength(1);
  });

  it('never has a password or a token in it, least of all of a login that failed', async () => {
    const authorization = `Token ${token}`;
    const wrong = 'my-cat-is-called-tom';
    const requests: [string, string, Asked][] = [
      ['POST', '/api/users/login', { body: { user: { email: 'ada@example.com', password: wrong } } }],
      ['POST', '/api/users/login', { body: { user: { email: wrong, password: [wrong] } } }],
      ['POST', `/api/users/login?password=${wrong}&token=${token}`, { body: { password: wrong } }],
      ['GET', `/api/profiles/${token}`, { headers: { authorization, cookie: `session=${token}` } }],
      [
        'PUT',
        '/api/user',
        { body: { user: { username: 7, password: PASSWORD } }, headers: { authorization } },
      ],
      ['GET', '/api/user', { headers: { authorization: `Token ${token}x` } }],
    ];
    for (const [method, path, asked] of requests) {
      const { status, headers } = await ask(method, path, asked);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
      const lines = await logOf(headers.get('x-request-id')!);
      expect(lines.at(-1)!['error.code']).toMatch(/^RK_/);
    }
    for (const secret of [PASSWORD, wrong, token, token.split('.')[2]!]) {
      expect(site.out).not.toContain(secret);
      expect(site.err).not.toContain(secret);
    }
  });
});

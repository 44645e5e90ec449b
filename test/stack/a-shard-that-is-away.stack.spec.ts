import { FaultyLink } from '@rookery/sharding/testing';
import { shardsOf } from '../../src/site.js';
import { bootSite, type BootedSite } from '../support/site.js';
import { until } from '../support/until.js';

const DEADLINE_MS = 8_000;
/** Longest that an answer takes on a busy machine which waits for nobody. */
const AT_ONCE_MS = 5_000;

/** Two shards, each behind a link that can be cut. The first holds the published slot map, too. */
let links: FaultyLink[];
let booted: BootedSite;

async function boot(cut: (links: FaultyLink[]) => void): Promise<void> {
  booted = await bootSite({
    through: async (urls) => {
      links = await Promise.all(urls.map((url) => FaultyLink.to(url)));
      cut(links);
      return links.map((link) => link.url);
    },
    environment: { REQUEST_DEADLINE_MS: String(DEADLINE_MS), LOG_LEVEL: 'silent' },
  });
}

afterEach(async () => {
  for (const link of links) link.accept();
  await booted.close();
  await Promise.all(links.map((link) => link.close()));
});

interface Told {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly tookMs: number;
  readonly body: string;
  readonly code: string | null;
}

async function ask(path: string, init: RequestInit = {}): Promise<Told> {
  const since = performance.now();
  const response = await fetch(`${booted.baseUrl.replace(/\/api$/, '')}${path}`, {
    ...init,
    headers: { 'content-type': 'application/json', ...(init.headers as Record<string, string>) },
  });
  const body = await response.text();
  return {
    status: response.status,
    retryAfter: response.headers.get('retry-after'),
    tookMs: performance.now() - since,
    body,
    code: response.headers.get('x-error-code'),
  };
}

async function register(name: string): Promise<{ token: string; shard: string; username: string }> {
  const user = { username: name, email: `${name}@example.com`, password: 'long enough' };
  const { status, body } = await ask('/api/users', { method: 'POST', body: JSON.stringify({ user }) });
  expect(status).toBe(201);
  const { token } = (JSON.parse(body) as { user: { token: string } }).user;
  const id = (JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { sub: string }).sub;
  return { token, username: name, shard: await shardsOf(booted.site).shardOf(id) };
}

/** Registers users until each shard has one. */
async function oneOnEach(): Promise<Record<string, { token: string; username: string }>> {
  const users: Record<string, { token: string; username: string }> = {};
  for (let i = 0; Object.keys(users).length < 2 && i < 60; i++) {
    const user = await register(`user${i}`);
    users[user.shard] ??= user;
  }
  expect(Object.keys(users).sort()).toEqual(['s1', 's2']);
  return users;
}

const me = (token: string) => ask('/api/user', { headers: { authorization: `Token ${token}` } });
const ready = async () => {
  const { status, body } = await ask('/health/ready');
  return { status, said: (JSON.parse(body) as { status: string }).status };
};

describe.each([
  ['the first, which holds the published map,', 0],
  ['the second', 1],
])('when %s is away at boot', (_, away) => {
  it('the replica boots, says degraded, answers 503 at once, and serves all again without a restart', async () => {
    await boot((all) => all[away]!.refuse());
    await until('it to say so', async () => (await ready()).said === 'degraded');
    expect((await ready()).status).toBe(200);
    const list = await ask('/api/articles');
    expect(list).toMatchObject({ status: 503, retryAfter: '1' });
    expect(list.tookMs).toBeLessThan(AT_ONCE_MS);
    links[away]!.accept();
    await until('the shard is served again', async () => (await ask('/api/articles')).status === 200);
    await until('the replica says so', async () => (await ready()).said === 'ok');
  });
});

describe('a shard that dies later', () => {
  it('takes down only what needs it, fast, and comes back by itself', async () => {
    await boot(() => undefined);
    const users = await oneOnEach();
    links[1]!.refuse();
    await until('the replica has noticed', async () => (await ready()).said === 'degraded');

    expect((await me(users['s1']!.token)).status).toBe(200);
    const dead = await me(users['s2']!.token);
    expect(dead).toMatchObject({ status: 503, retryAfter: '1' });
    expect(dead.code).toBe('RK_SHARDING_SHARD_UNAVAILABLE');
    // Known to be away: told at once, not after a connection attempt.
    expect(dead.tookMs).toBeLessThan(AT_ONCE_MS);
    const list = await ask('/api/articles');
    expect(list).toMatchObject({ status: 503, retryAfter: '1' });

    links[1]!.accept();
    await until('its users are served', async () => (await me(users['s2']!.token)).status === 200);
    expect((await ask('/api/articles')).status).toBe(200);
  });

  it('that freezes costs a request its deadline at most, then nothing', async () => {
    await boot(() => undefined);
    const users = await oneOnEach();
    links[1]!.freeze();
    const first = await me(users['s2']!.token);
    expect([503, 504]).toContain(first.status);
    expect(first.tookMs).toBeLessThan(DEADLINE_MS + AT_ONCE_MS);
    await until('the replica has noticed', async () => (await ready()).said === 'degraded');
    const later = await me(users['s2']!.token);
    expect(later.status).toBe(503);
    expect(later.tookMs).toBeLessThan(AT_ONCE_MS);
    expect((await me(users['s1']!.token)).status).toBe(200);
    links[1]!.thaw();
    await until('its users are served', async () => (await me(users['s2']!.token)).status === 200);
  });
});

import pg from 'pg';
import { shardsOf, type Site } from '../../src/site.js';
import { bootSite, type BootedSite } from '../support/site.js';
import { until } from '../support/until.js';

/**
 * Dying between two steps: the request stops there for good and runs no clean-up, as if the process were gone, and what
 * it held in the database is cut. What is left must be whole, and free what was never made.
 */
let booted: BootedSite;

beforeAll(async () => {
  booted = await bootSite({ environment: { REQUEST_DEADLINE_MS: '700', LOG_LEVEL: 'silent' } });
  shardsOf(booted.site).directory.leaseMs = 200;
}, 60_000);
afterAll(async () => {
  // A process that is gone holds up no stop; these only seem to be gone.
  for (const bury of buried) bury(new Error('dead'));
  await booted.close();
}, 60_000);

const buried: ((reason: Error) => void)[] = [];

const STEPS = ['reserved', 'claimed', 'committed', 'confirmed', 'released'] as const;

interface Sent {
  readonly status: number;
  readonly user?: { username: string; email: string; token: string };
}

async function send(method: string, path: string, user: object, token?: string): Promise<Sent> {
  const response = await fetch(`${booted.baseUrl}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(token ? { authorization: `Token ${token}` } : {}) },
    body: JSON.stringify({ user }),
  });
  const body = (await response.json()) as { user?: Sent['user'] };
  return { status: response.status, user: body.user };
}

const signIn = (email: string) => send('POST', '/users/login', { email, password: 'long enough' });
const profile = async (name: string) => (await fetch(`${booted.baseUrl}/profiles/${name}`)).status;

/** Runs `work`, whose next operation on the directory dies at `step`. */
async function dyingAt<T>(step: (typeof STEPS)[number], work: () => Promise<T>): Promise<T> {
  const { directory } = shardsOf(booted.site);
  let died = false;
  directory.onStep = (reached) => {
    if (died || reached !== step) return undefined;
    died = true;
    return new Promise<void>((_, reject) => buried.push(reject));
  };
  try {
    const result = await work();
    expect(died).toBe(true);
    return result;
  } finally {
    directory.onStep = undefined;
  }
}

async function sweepUntilNothingIsReserved(site: Site): Promise<void> {
  await until('every reservation is decided', async () => {
    await shardsOf(site).directory.sweep();
    let open = 0;
    for (const url of booted.shardUrls) {
      const client = new pg.Client(url);
      await client.connect();
      const { rows } = await client.query<{ n: number }>(
        `SELECT ((SELECT count(*) FROM rookery_directory WHERE state = 'reserved')
          + (SELECT count(*) FROM rookery_claim WHERE pending IS NOT NULL))::int AS n`,
      );
      await client.end();
      open += rows[0]!.n;
    }
    return open === 0;
  });
}

/** Entries of the directory that point at nobody, and users whom it does not name. */
async function dangling(): Promise<string[]> {
  const users = new Map<string, { username: string; email: string }>();
  const entries: { kind: string; value: string; owner: string }[] = [];
  for (const url of booted.shardUrls) {
    const client = new pg.Client(url);
    await client.connect();
    const found = await client.query<{ id: string; username: string; email: string }>(
      'SELECT id, username, email FROM users',
    );
    for (const user of found.rows) users.set(user.id, user);
    entries.push(
      ...(await client.query<(typeof entries)[number]>('SELECT kind, value, owner FROM rookery_directory'))
        .rows,
    );
    await client.end();
  }
  const held = entries.map(({ kind, value, owner }) => `${kind} ${value} ${owner}`).sort();
  const due = [...users]
    .flatMap(([id, { username, email }]) => [`username ${username} ${id}`, `email ${email} ${id}`])
    .sort();
  return [...held.filter((one) => !due.includes(one)), ...due.filter((one) => !held.includes(one))];
}

describe.each(STEPS.filter((step) => step !== 'released'))('registering, dead after "%s"', (step) => {
  it('leaves a whole user, or none and the names free', async () => {
    const name = `new-${step}`;
    const user = { username: name, email: `${name}@example.com`, password: 'long enough' };
    await dyingAt(step, () => send('POST', '/users', user));
    await sweepUntilNothingIsReserved(booted.site);
    const made = (await signIn(user.email)).status === 200;
    expect(await profile(name)).toBe(made ? 200 : 404);
    expect(made).toBe(step !== 'reserved' && step !== 'claimed');
    expect((await send('POST', '/users', user)).status).toBe(made ? 409 : 201);
    expect(await dangling()).toEqual([]);
  });
});

describe.each(STEPS)('renaming, dead after "%s"', (step) => {
  it('leaves one name, old or new, and the other free', async () => {
    const [from, to] = [`old-${step}`, `moved-${step}`];
    const before = await send('POST', '/users', {
      username: from,
      email: `${from}@example.com`,
      password: 'long enough',
    });
    await dyingAt(step, () =>
      send('PUT', '/user', { username: to, email: `${to}@example.com` }, before.user!.token),
    );
    await sweepUntilNothingIsReserved(booted.site);
    const moved = (await profile(to)) === 200;
    expect(await profile(from)).toBe(moved ? 404 : 200);
    expect(moved).toBe(step !== 'reserved' && step !== 'claimed');
    expect((await signIn(`${moved ? to : from}@example.com`)).status).toBe(200);
    const free = moved ? from : to;
    expect(
      (
        await send('POST', '/users', {
          username: free,
          email: `${free}@example.com`,
          password: 'long enough',
        })
      ).status,
    ).toBe(201);
    expect(await dangling()).toEqual([]);
  });
});

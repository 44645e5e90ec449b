import { currentContext } from '@rookery/kernel';
import pg from 'pg';
import { shardsOf } from '../../src/site.js';
import { bootSite, type BootedSite } from '../support/site.js';
import { until } from '../support/until.js';

/**
 * Dying between two steps: the request stops there for good and runs no clean-up, as if the process were gone, and what
 * it held in the database is cut. What is left must be whole, and free what was never made.
 */
let booted: BootedSite;

const STEPS = ['reserved', 'claimed', 'committed', 'confirmed', 'released'] as const;
type Step = (typeof STEPS)[number];
/** Nothing is released by who registers. */
const REGISTERING = STEPS.filter((step) => step !== 'released');

/** For the requests that die: as long as they are waited for, so all of them die at once. */
const BUDGET_MS = 4_000;
/** Beyond that, as it must be. */
const LEASE_MS = 5_000;

beforeAll(async () => {
  booted = await bootSite({ environment: { REQUEST_DEADLINE_MS: '12000', LOG_LEVEL: 'silent' } });
  const { directory } = shardsOf(booted.site);
  const tokens = new Map<Step, string>();
  for (const step of STEPS) {
    const { status, user } = await send('POST', '/users', newUser(`old-${step}`));
    expect(status).toBe(201);
    tokens.set(step, user!.token);
  }
  const { leaseMs } = directory;
  directory.leaseMs = LEASE_MS;
  directory.onStep = dieThere;
  try {
    await Promise.all([
      ...REGISTERING.map((step) => dyingAt(step, 'POST', '/users', newUser(`new-${step}`))),
      ...STEPS.map((step) => dyingAt(step, 'PUT', '/user', namesOf(`moved-${step}`), tokens.get(step))),
    ]);
    await sweepUntilNothingIsReserved();
  } finally {
    directory.onStep = undefined;
    directory.leaseMs = leaseMs;
  }
}, 120_000);
afterAll(async () => {
  // A process that is gone holds up no stop; these only seem to be gone.
  for (const bury of buried) bury(new Error('dead'));
  await booted.close();
}, 120_000);

const buried: ((reason: Error) => void)[] = [];

const namesOf = (username: string) => ({ username, email: `${username}@example.com` });
const newUser = (username: string) => ({ ...namesOf(username), password: 'long enough' });

interface Sent {
  readonly status: number;
  readonly user?: { username: string; email: string; token: string };
}

async function send(
  method: string,
  path: string,
  user: object,
  token?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Sent> {
  const authorization: Record<string, string> = token ? { authorization: `Token ${token}` } : {};
  const response = await fetch(`${booted.baseUrl}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...authorization, ...headers },
    body: JSON.stringify({ user }),
  });
  const body = (await response.json()) as { user?: Sent['user'] };
  return { status: response.status, user: body.user };
}

const signIn = (email: string) => send('POST', '/users/login', { email, password: 'long enough' });
const profile = async (name: string) => (await fetch(`${booted.baseUrl}/profiles/${name}`)).status;

/** Where requests are to die, by their ids. */
const dying = new Map<string, Step>();

function dieThere(reached: string): Promise<void> | undefined {
  const id = currentContext()?.requestId;
  if (id === undefined || dying.get(id) !== reached) return undefined;
  dying.delete(id);
  return new Promise<void>((_, reject) => buried.push(reject));
}

/** A request whose operation on the directory dies at `step`. */
async function dyingAt(step: Step, method: string, path: string, user: object, token?: string) {
  const id = `${method}-dead-after-${step}`;
  dying.set(id, step);
  await send(method, path, user, token, { 'x-request-id': id, 'request-timeout-ms': String(BUDGET_MS) });
  expect([...dying.keys()]).not.toContain(id);
}

async function sweepUntilNothingIsReserved(): Promise<void> {
  await until('every reservation is decided', async () => {
    await shardsOf(booted.site).directory.sweep();
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

describe.each(REGISTERING)('registering, dead after "%s"', (step) => {
  it('leaves a whole user, or none and the names free', async () => {
    const user = newUser(`new-${step}`);
    const made = (await signIn(user.email)).status === 200;
    expect(await profile(user.username)).toBe(made ? 200 : 404);
    expect(made).toBe(step !== 'reserved' && step !== 'claimed');
    expect((await send('POST', '/users', user)).status).toBe(made ? 409 : 201);
    expect(await dangling()).toEqual([]);
  });
});

describe.each(STEPS)('renaming, dead after "%s"', (step) => {
  it('leaves one name, old or new, and the other free', async () => {
    const [from, to] = [`old-${step}`, `moved-${step}`];
    const moved = (await profile(to)) === 200;
    expect(await profile(from)).toBe(moved ? 404 : 200);
    expect(moved).toBe(step !== 'reserved' && step !== 'claimed');
    expect((await signIn(`${moved ? to : from}@example.com`)).status).toBe(200);
    const free = moved ? from : to;
    expect((await send('POST', '/users', newUser(free))).status).toBe(201);
    expect(await dangling()).toEqual([]);
  });
});

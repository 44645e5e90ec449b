import { once } from 'node:events';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { holdEmbeddedPostgres } from '@rookery/devstack';
import type { TestDatabases } from '@rookery/devstack/testing';
import pg from 'pg';
import { buildIfStale } from '../../scripts/build-if-stale.mjs';
import { ChildSite } from '../support/child-site.js';
import { conduitDatabases } from '../support/site.js';
import { until } from '../support/until.js';

/** The site as a process: what it says when it takes traffic, and how it ends. */
const SECRET = 'a secret that is long enough for HS256';
const LIMIT_MS = 180_000;

beforeAll(() => buildIfStale(), LIMIT_MS);

const children: ChildSite[] = [];
afterEach(() => Promise.all(children.splice(0).map((child) => child.kill())));

function start(environment: Readonly<Record<string, string>>, flags?: readonly string[]): ChildSite {
  const child = new ChildSite(environment, flags);
  children.push(child);
  return child;
}

interface Heard {
  readonly status: number;
  readonly connection: string | null;
  readonly body: string;
}

async function ask(url: string, init?: RequestInit): Promise<Heard> {
  const response = await fetch(url, init);
  const { status, headers } = response;
  return { status, connection: headers.get('connection'), body: await response.text() };
}

const readiness = (child: ChildSite) => ask(`${child.url}/health/ready`);

describe('a site on databases that run', () => {
  let databases: TestDatabases;
  let blocker: pg.Client;

  beforeAll(async () => {
    databases = await conduitDatabases(2);
    blocker = new pg.Client(databases.urls[0]);
    await blocker.connect();
  }, LIMIT_MS);
  afterEach(() => blocker.query('ROLLBACK'));
  afterAll(async () => {
    await blocker.end();
    await databases.drop();
  });

  const startOnShards = (more: Readonly<Record<string, string>> = {}, flags?: readonly string[]) =>
    start({ SHARD_URLS: databases.urls.join(','), JWT_SECRET: SECRET, ...more }, flags).ready();

  /** A request that is under way until `blocker` ends its transaction. */
  async function hang(child: ChildSite): Promise<{ answer: Promise<Heard | 'cut'> }> {
    await blocker.query('BEGIN; LOCK TABLE article IN ACCESS EXCLUSIVE MODE');
    let early: Heard | 'cut' | undefined;
    const answer = ask(`${child.url}/api/articles`).catch(() => 'cut' as const);
    void answer.then((heard) => (early = heard));
    await until('the request waits in the database', async () => {
      if (early !== undefined) throw new Error(`it did not wait: ${JSON.stringify(early)}`);
      const { rows } = await blocker.query<{ waiting: number }>(
        // Unlike pg_stat_activity, this one is looked at anew within a transaction.
        `SELECT count(*)::int AS waiting FROM pg_locks JOIN pg_database d ON d.oid = database
         WHERE NOT granted AND relation = 'article'::regclass AND datname = current_database()`,
      );
      return rows[0]!.waiting > 0;
    });
    return { answer };
  }

  /** A connection that has nothing under way; it may have been used before. */
  async function idle(child: ChildSite, used: boolean): Promise<Socket> {
    const socket = connect(Number(new URL(child.url).port), '127.0.0.1');
    await once(socket, 'connect');
    if (used) {
      socket.write('GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n');
      await once(socket, 'data');
    }
    return socket.resume();
  }

  it('says in one line of its log where it is, finishes what is under way at SIGTERM, and waits for nobody idle', async () => {
    const child = await startOnShards({ DRAIN_DELAY_MS: '4000', REQUEST_DEADLINE_MS: '30000' });
    expect(child.readyLines).toHaveLength(1);
    expect(child.log.find(({ message }) => message === child.readyLines[0])).toMatchObject({
      'log.level': 'info',
      'service.name': 'conduit',
    });
    for (const url of [child.url, child.opsUrl]) expect(Number(new URL(url).port)).toBeGreaterThan(0);
    expect(await ask(`${child.url}/health/started`)).toMatchObject({ status: 200 });
    const sockets = await Promise.all([idle(child, true), idle(child, false)]);
    const { answer } = await hang(child);

    child.signal('SIGTERM');
    await until('it is not ready any more', async () => (await readiness(child)).status === 503);
    const meanwhile = await readiness(child);
    expect(meanwhile).toMatchObject({ connection: 'close' });
    expect(JSON.parse(meanwhile.body)).toMatchObject({ status: 'stopping' });
    expect(await ask(`${child.url}/api/tags`)).toMatchObject({ status: 200, connection: 'close' });
    await until('it takes no connection any more', () =>
      readiness(child).then(
        () => false,
        () => true,
      ),
    );
    await blocker.query('COMMIT');
    expect(await answer).toMatchObject({ status: 200, body: '{"articles":[],"articlesCount":0}' });
    const { code, tookMs } = await child.ended;
    expect({ code, err: child.err }).toEqual({ code: 0, err: '' });
    expect(tookMs).toBeGreaterThan(4_000);
    // An idle connection is kept for 72 s, and cut after the delay and 10 s at the latest.
    expect(tookMs).toBeLessThan(13_500);
    for (const socket of sockets) socket.destroy();
  });

  it('takes a Ctrl-C that comes twice at once for one, and cuts what is under way at a later one', async () => {
    const child = await startOnShards({
      DRAIN_DELAY_MS: '60000',
      REQUEST_DEADLINE_MS: '50000',
      LOG_LEVEL: 'warn',
    });
    const { answer } = await hang(child);
    child.signal('SIGINT');
    child.signal('SIGINT');
    await until('it is not ready any more', async () => (await readiness(child)).status === 503);
    expect(child.err).toBe('');
    await child.until('it has been told again', () => {
      child.signal('SIGINT');
      return child.err !== '';
    });
    expect(await answer).toBe('cut');
    await blocker.query('ROLLBACK');
    expect(await child.ended).toMatchObject({ code: 1 });
    expect(child.err).toBe('conduit: SIGINT came again: requests under way are cut\n');
  });

  it('says in one line what went wrong where nobody caught it, and stops in order all the same', async () => {
    const fault = `process.on('SIGUSR2', () => { throw new Error('two\\nlines') })`;
    const child = await startOnShards({}, ['--import', `data:text/javascript,${encodeURIComponent(fault)}`]);
    child.signal('SIGUSR2');
    expect(await child.ended).toMatchObject({ code: 1 });
    expect(child.err).toBe('conduit: failed, and stops: two lines\n');
    const logged = child.log.find((line) => line['log.level'] === 'fatal');
    expect(logged?.['error.stack_trace']).toMatch(/^Error: two\nlines\n +at /);
  });
});

describe('a site with a PostgreSQL of its own', () => {
  let dataDir: string;

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'conduit-process-'));
  });
  afterEach(async () => {
    await Promise.all(children.map((child) => child.kill()));
    if (await postgresRuns()) {
      // Left by a site that did not do what it should: whoever leaves last, stops it.
      await (await holdEmbeddedPostgres({ dataDir, databases: [] })).release();
    }
    await rm(dataDir, { recursive: true });
  });

  const pidFile = () => join(dataDir, 'postgres/data/postmaster.pid');
  const postgresRuns = () =>
    access(pidFile()).then(
      () => true,
      () => false,
    );

  /** Its process and its port. */
  async function postgres(): Promise<{ pid: number; port: number }> {
    const lines = (await readFile(pidFile(), 'utf8')).split('\n');
    return { pid: Number(lines[0]), port: Number(lines[3]) };
  }

  it('stops it, too, when it is told to end before it was ready', async () => {
    // It listens some seconds later than it would, so that it is told before.
    const late = `import net from 'node:net';
      const { listen } = net.Server.prototype;
      net.Server.prototype.listen = function (...args) { setTimeout(() => listen.apply(this, args), 5_000); return this; };`;
    const child = start({ DATA_DIR: dataDir }, [
      '--import',
      `data:text/javascript,${encodeURIComponent(late)}`,
    ]);
    await child.until('PostgreSQL runs', postgresRuns);
    expect(await child.stop()).toMatchObject({ code: 0, signal: null });
    expect(child.readyLines).toEqual([]);
    expect(child.err).toBe('');
    expect(await postgresRuns()).toBe(false);
  });

  it('shares it with a second replica, and the last to leave stops it', async () => {
    const [first, second] = await Promise.all([
      start({ DATA_DIR: dataDir, LOG_FORMAT: 'pretty', LOG_LEVEL: 'silent' }).ready(),
      start({ DATA_DIR: dataDir, LOG_LEVEL: 'warn' }).ready(),
    ]);
    // Nothing but the line itself, and that even of a site that logs nothing.
    expect(first.out).toBe(
      `Conduit is ready on ${first.url}/api · docs /docs · operations ${first.opsUrl}\n`,
    );
    const server = await postgres();
    const registered = await ask(`${first.url}/api/users`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        user: { username: 'ada', email: 'ada@example.com', password: 'long enough' },
      }),
    });
    expect(registered.status).toBe(201);
    // The replicas share their keys as well.
    const { user } = JSON.parse(registered.body) as { user: { token: string } };
    const me = () => ask(`${second.url}/api/user`, { headers: { authorization: `Token ${user.token}` } });
    expect(await ask(`${second.url}/api/profiles/ada`)).toMatchObject({ status: 200 });
    expect(await me()).toMatchObject({ status: 200 });

    expect(await first.stop()).toMatchObject({ code: 0 });
    expect(await postgres()).toEqual(server);
    expect(await me()).toMatchObject({ status: 200 });

    expect(await second.stop()).toMatchObject({ code: 0 });
    expect(await postgresRuns()).toBe(false);
    const [refused] = await once(connect(server.port, '127.0.0.1'), 'error');
    expect(refused).toMatchObject({ code: 'ECONNREFUSED' });
    expect(second.err + first.err).toBe('');
  });
});

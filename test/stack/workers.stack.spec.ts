import type { TestDatabases } from '@rookery/devstack/testing';
import { buildIfStale } from '../../scripts/build-if-stale.mjs';
import { ChildSite } from '../support/child-site.js';
import { conduitDatabases } from '../support/site.js';
import { until } from '../support/until.js';

const SECRET = 'a secret that is long enough for HS256';
const WORKERS = 2;

describe('several processes on one port', () => {
  let databases: TestDatabases;
  let site: ChildSite;
  beforeAll(async () => {
    await buildIfStale();
    databases = await conduitDatabases(2);
  }, 240_000);
  afterAll(() => databases?.drop());
  afterEach(() => site?.kill());

  const start = (more: Readonly<Record<string, string>> = {}): ChildSite => {
    site = new ChildSite({
      SHARD_URLS: databases.urls.join(','),
      JWT_SECRET: SECRET,
      WORKERS: String(WORKERS),
      DRAIN_DELAY_MS: '200',
      ...more,
    });
    return site;
  };
  /** What each worker says of itself when it takes traffic. */
  const readyLines = () =>
    site.readyLines.map((line) => /on (http:\S+)\/api .* operations (http:\S+)$/.exec(line)!);
  const pids = () =>
    [...new Set(site.log.map((line) => Number(line['process.pid'])))].filter((pid) => !Number.isNaN(pid));
  /** A connection of its own, so that it goes to the next process. */
  const ask = (path = '/api/tags', init: RequestInit = {}) =>
    fetch(site.url + path, { ...init, headers: { ...init.headers, connection: 'close' } });
  const served = async () =>
    Promise.all(
      readyLines().map(async ([, , opsUrl]) => {
        const text = await (await fetch(`${opsUrl}/metrics`)).text();
        const counts = [...text.matchAll(/http_server_request_duration_seconds_count\{.*\} (\d+)/g)];
        return counts.reduce((sum, [, count]) => sum + Number(count), 0);
      }),
    );
  const allReady = () => site.until('all to be ready', () => readyLines().length === WORKERS);

  it('share the requests, each with operations of its own, and stop together in order under load', async () => {
    // Much longer than it takes to stop sending, even for a test that is held up.
    await start({ DRAIN_DELAY_MS: '4000' }).ready();
    await allReady();
    expect(new Set(readyLines().map(([, url]) => url)).size).toBe(1);
    for (let n = 0; n < 20; n++) expect((await ask()).status).toBe(200);
    for (const count of await served()) expect(count).toBeGreaterThanOrEqual(5);
    const outcomes: (number | string)[] = [];
    let stopping = false;
    const lines = Array.from({ length: 4 }, async () => {
      while (!stopping) {
        outcomes.push(
          await ask().then(
            ({ status }) => status,
            (error: Error) => error.message,
          ),
        );
      }
    });
    await until('some load', () => Promise.resolve(outcomes.length > 40));
    // Whoever sends traffic stops sending within the drain delay.
    const stopped = site.stop();
    setTimeout(() => (stopping = true), 100);
    await Promise.all(lines);
    expect(await stopped).toMatchObject({ code: 0 });
    expect(outcomes.filter((outcome) => outcome !== 200)).toEqual([]);
    for (const pid of pids()) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('go on when one of them is killed, and start another one in its place', async () => {
    await start().ready();
    await allReady();
    const [victim] = pids().slice(-1);
    process.kill(victim!, 'SIGKILL');
    // A connection handed to it before its end is known is lost with it.
    await site.until('its end to be noticed', () => site.err.includes('is started again'));
    for (let n = 0; n < 10; n++) expect((await ask()).status).toBe(200);
    await site.until('another one', () => readyLines().length === WORKERS + 1);
    expect(await site.stop()).toMatchObject({ code: 0 });
  });

  it('end all with the fault of the first that cannot start', async () => {
    start({ SHARD_URLS: '', NODE_ENV: 'production' });
    expect(await site.ended).toMatchObject({ code: 78 });
    expect(site.err).toContain('SHARD_URLS');
  });

  it('end in order when the process above them is killed', async () => {
    await start().ready();
    await allReady();
    const workers = pids();
    await site.kill();
    await until('the workers to end', () =>
      Promise.resolve(
        workers.every((pid) => {
          try {
            process.kill(pid, 0);
            return false;
          } catch {
            return true;
          }
        }),
      ),
    );
  });
});

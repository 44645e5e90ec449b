import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { cpuOf } from '../cpu.js';
import { benchDatabases, fill } from '../databases.js';
import { median, type Report, type Scenario } from '../harness.js';
import { load } from '../load.js';
import { pacedLoad } from '../paced-load.js';
import { record, type Recorded } from '../recorded.js';
import { start, startConduit, type RunningServer } from '../servers.js';
import { someViewer } from '../viewer.js';

const ARTICLES = 1_000;
const CONNECTIONS = 16;
const BURSTS_PER_SECOND = 400;
const REST_SECONDS = 0.5;
const WARM_UP_SECONDS = 4;
const SECONDS = 1.5;
const ROUNDS = 7;
const PATH = '/api/articles';

/** What differs with each request, and what tells of the cache. */
const OURS_ALONE = new Set(['x-request-id', 'cache-status']);

export const hit: Scenario = {
  name: 'hit',
  about:
    'a cached list of 20 by HTTP, against bare node:http sending the same, and the stock Nest interceptor',
  run: async (report) => {
    const databases = await benchDatabases(1);
    const folder = await mkdtemp(join(tmpdir(), 'rookery-bench-hit-'));
    const servers: RunningServer[] = [];
    const started = async (server: Promise<RunningServer>): Promise<RunningServer> => {
      servers.push(await server);
      return server;
    };
    try {
      await fill(databases.urls, ARTICLES);
      const viewer = await someViewer(databases.urls);
      const ours = await started(startConduit(databases.urls, { CACHE: 'on' }));
      const readers = { anonymous: {}, 'with a token': { authorization: `Token ${viewer.token}` } };
      for (const [who, headers] of Object.entries(readers)) {
        const recorded = await hitOf(ours, headers);
        const file = join(folder, `${who.replaceAll(' ', '-')}.json`);
        await writeFile(file, JSON.stringify(recorded));
        const bare = await started(start(['bench/baselines/same-bytes.js', file]));
        await mustAgree(recorded, await record(bare.port, PATH, headers));
        await compare(report, who, headers, ours, bare);
        if (who !== 'anonymous') continue;
        const stock = await started(start(['bench/baselines/stock-interceptor.js', file]));
        await mustBeAHit(stock, recorded);
        await compare(report, 'the stock interceptor', headers, stock, bare);
      }
      // It caches only while it is the only replica.
      await ours.stop();
      const logged = await started(startConduit(databases.urls, { CACHE: 'on', LOG_LEVEL: 'info' }));
      const file = join(folder, 'logged.json');
      await writeFile(file, JSON.stringify(await hitOf(logged, {})));
      await compare(
        report,
        'anonymous, with an access log',
        {},
        logged,
        await started(start(['bench/baselines/same-bytes.js', file])),
      );
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
      await rm(folder, { recursive: true, force: true });
      await databases.close();
    }
  },
};

/** CPU per request of both sides by turns, once their code is compiled: the medians. */
async function compare(
  report: Report,
  label: string,
  headers: Record<string, string>,
  ours: RunningServer,
  bare: RunningServer,
): Promise<void> {
  const rounds: { ours: number[]; bare: number[] } = { ours: [], bare: [] };
  for (const { port } of [ours, bare]) {
    await load({ port, path: PATH, headers, connections: CONNECTIONS, seconds: WARM_UP_SECONDS });
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const side of round % 2 === 0 ? (['ours', 'bare'] as const) : (['bare', 'ours'] as const)) {
      rounds[side].push(await cpuPerRequest(side === 'ours' ? ours : bare, headers));
    }
  }
  const [our, their] = [median(rounds.ours), median(rounds.bare)];
  report.add('hit', `${label}: CPU per request`, our * 1000, their * 1000, 'µs', false);
  report.say(`  ${label}: ${(their / our).toFixed(2)} of node:http`);
}

/** Without what the process uses at rest, which is less the busier it is: a site looks after more than requests. */
async function cpuPerRequest({ pid, port }: RunningServer, headers: Record<string, string>): Promise<number> {
  const atRest = cpuOf(pid);
  await pause(REST_SECONDS * 1000);
  const before = cpuOf(pid);
  const requests = await pacedLoad({
    port,
    path: PATH,
    headers,
    connections: CONNECTIONS,
    perSecond: BURSTS_PER_SECOND,
    seconds: SECONDS,
  });
  const restPerSecond = (before - atRest) / REST_SECONDS;
  return (cpuOf(pid) - before - restPerSecond * SECONDS) / requests;
}

/** The answer once it is kept. @throws if it never is */
async function hitOf({ port }: RunningServer, headers: Record<string, string>): Promise<Recorded> {
  // The replica may cache once it knows that it is alone.
  for (const until = performance.now() + 30_000; performance.now() < until;) {
    const recorded = await record(port, PATH, headers);
    if (fieldOf(recorded, 'cache-status')?.includes('hit')) return recorded;
  }
  throw new Error(`${PATH} never comes from the cache`);
}

async function mustBeAHit({ port }: RunningServer, { body }: Recorded): Promise<void> {
  await record(port, PATH);
  const again = await record(port, PATH);
  if (again.body !== body || fieldOf(again, 'x-cache') !== 'HIT') {
    throw new Error(`the stock interceptor has nothing for ${PATH}`);
  }
}

async function mustAgree(ours: Recorded, bare: Recorded): Promise<void> {
  const fields = ({ headers }: Recorded) =>
    headers
      .filter(([name]) => !OURS_ALONE.has(name))
      .map((field) => field.join(': '))
      .sort()
      .join('\n');
  if (ours.body !== bare.body || fields(ours) !== fields(bare)) {
    throw new Error(`ours and the baseline differ:\n${fields(ours)}\n${fields(bare)}`);
  }
}

function fieldOf({ headers }: Recorded, name: string): string | undefined {
  return headers.find(([one]) => one === name)?.[1];
}

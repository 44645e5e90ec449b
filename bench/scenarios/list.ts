import { cpuOf, cpuOfTree } from '../cpu.js';
import { benchDatabases, eachDatabase, fill, type BenchDatabases } from '../databases.js';
import type { Report, Scenario, Side } from '../harness.js';
import { load } from '../load.js';
import { start, startConduit, type RunningServer } from '../servers.js';
import { someViewer, type BenchViewer } from '../viewer.js';

const ARTICLES = 20_000;
const CONNECTIONS = 16;
const SECONDS = 2;
const SHARDS = [1, 2, 4];

export const list: Scenario = {
  name: 'list',
  about: 'HTTP list of 20 for a viewer, against node:http + pg with the same statements and JSON',
  run: (report) => overShards(report, 'list', () => Promise.resolve('/api/articles')),
};

export const single: Scenario = {
  name: 'single',
  about: 'one article for a viewer, against node:http + pg likewise',
  run: (report) =>
    overShards(report, 'single', async (databases) => {
      let slug = '';
      await eachDatabase(databases.urls.slice(0, 1), async (client) => {
        const { rows } = await client.query<{ slug: string }>(
          'SELECT slug FROM article ORDER BY length(body) OFFSET (SELECT count(*) / 2 FROM article) LIMIT 1',
        );
        slug = rows[0]!.slug;
      });
      return `/api/articles/${slug}`;
    }),
};

async function overShards(
  report: Report,
  name: string,
  pathOf: (databases: BenchDatabases) => Promise<string>,
): Promise<void> {
  for (const shards of SHARDS) {
    const databases = await benchDatabases(shards);
    try {
      await fill(databases.urls, ARTICLES);
      const viewer = await someViewer(databases.urls);
      await overServers(
        report,
        name,
        `${shards} shard${shards > 1 ? 's' : ''}`,
        databases,
        viewer,
        await pathOf(databases),
      );
    } finally {
      await databases.close();
    }
  }
}

async function overServers(
  report: Report,
  name: string,
  label: string,
  databases: BenchDatabases,
  viewer: BenchViewer,
  path: string,
): Promise<void> {
  const servers: RunningServer[] = [];
  try {
    const ours = await startConduit(databases.urls);
    servers.push(ours);
    const baseline = await start([
      'bench/baselines/http-pg.js',
      databases.urls.join(),
      viewer.id,
      viewer.token,
    ]);
    servers.push(baseline);
    const headers = { authorization: `Token ${viewer.token}` };
    await mustAgree(ours, baseline, path, headers);
    const side =
      (server: RunningServer): Side =>
      async () => {
        const [cpu, postgres] = [cpuOf(server.pid), cpuOfTree(databases.serverPid)];
        const { requests, seconds } = await load({
          port: server.port,
          path,
          headers,
          connections: CONNECTIONS,
          seconds: SECONDS,
        });
        return {
          operations: requests,
          seconds,
          cpuMs: cpuOf(server.pid) - cpu,
          postgresMs: cpuOfTree(databases.serverPid) - postgres,
        };
      };
    await report.compare(name, label, side(ours), side(baseline));
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

/** A baseline that answers something else measures something else. */
async function mustAgree(
  ours: RunningServer,
  baseline: RunningServer,
  path: string,
  headers: Record<string, string>,
): Promise<void> {
  const [a, b] = await Promise.all(
    [ours, baseline].map(async ({ port }) =>
      (await fetch(`http://127.0.0.1:${port}${path}`, { headers })).text(),
    ),
  );
  if (a !== b)
    throw new Error(`ours and the baseline differ on ${path}:\n${a?.slice(0, 500)}\n${b?.slice(0, 500)}`);
}

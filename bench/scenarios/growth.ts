import pg from 'pg';
import { cpuOf, cpuOfTree } from '../cpu.js';
import { benchDatabases, eachDatabase, fill, type BenchDatabases } from '../databases.js';
import type { Scenario, Side } from '../harness.js';
import { load } from '../load.js';
import { startConduit, type RunningServer } from '../servers.js';
import { someViewer } from '../viewer.js';

const SMALL = 10_000;
const LARGE = Number(process.env['GROWTH_ARTICLES'] ?? 1_000_000);

interface Grown {
  readonly databases: BenchDatabases;
  readonly server: RunningServer;
  readonly token: string;
  readonly paths: Readonly<Record<string, string>>;
}

/** `ours` is the large site, the baseline is ours when it was small: a ratio of 1 is flat. */
export const growth: Scenario = {
  name: 'growth',
  about: `lists and articles at ${LARGE} articles against ${SMALL}, on two shards: flat is 1`,
  run: async (report) => {
    const grown: Grown[] = [];
    try {
      for (const articles of [SMALL, LARGE]) grown.push(await grow(articles));
      const [small, large] = grown as [Grown, Grown];
      for (const kind of Object.keys(small.paths)) {
        await report.compare('growth', kind, side(large, kind), side(small, kind));
      }
    } finally {
      for (const { server, databases } of grown) {
        await server.stop();
        await databases.close();
      }
    }
  },
};

async function grow(articles: number): Promise<Grown> {
  const databases = await benchDatabases(2);
  await fill(databases.urls, articles, 500);
  const { token } = await someViewer(databases.urls);
  return {
    databases,
    token,
    server: await startConduit(databases.urls),
    paths: await pathsOf(databases.urls),
  };
}

function side({ databases, server, token, paths }: Grown, kind: string): Side {
  return async () => {
    const [cpu, postgres] = [cpuOf(server.pid), cpuOfTree(databases.serverPid)];
    const { requests, seconds } = await load({
      port: server.port,
      path: paths[kind]!,
      headers: { authorization: `Token ${token}` },
      connections: 8,
      seconds: 1.5,
    });
    return {
      operations: requests,
      seconds,
      cpuMs: cpuOf(server.pid) - cpu,
      postgresMs: cpuOfTree(databases.serverPid) - postgres,
    };
  };
}

/** The author and the tag with the most articles, a fan of the median number of favorites, an article of median length. */
async function pathsOf(urls: readonly string[]): Promise<Record<string, string>> {
  const authors: { username: string; n: number }[] = [];
  const tags = new Map<string, number>();
  const fans = new Map<string, number>();
  let slug = '';
  const names = new Map<string, string>();
  await eachDatabase(urls, async (client: pg.Client) => {
    authors.push(
      ...(
        await client.query<{ username: string; n: number }>(
          'SELECT username, articles AS n FROM author_stat JOIN users ON id = author_id ORDER BY 2 DESC LIMIT 1',
        )
      ).rows,
    );
    for (const { tag, n } of (
      await client.query<{ tag: string; n: number }>(
        'SELECT tag, sum(articles)::int AS n FROM tag_total GROUP BY 1',
      )
    ).rows) {
      tags.set(tag, (tags.get(tag) ?? 0) + n);
    }
    for (const { id, n } of (
      await client.query<{ id: string; n: number }>(
        'SELECT user_id AS id, count(*)::int AS n FROM favorite GROUP BY 1',
      )
    ).rows) {
      fans.set(id, (fans.get(id) ?? 0) + n);
    }
    for (const { id, username } of (
      await client.query<{ id: string; username: string }>('SELECT id, username FROM users')
    ).rows) {
      names.set(id, username);
    }
    slug = (await client.query<{ slug: string }>('SELECT slug FROM article ORDER BY id OFFSET 500 LIMIT 1'))
      .rows[0]!.slug;
  });
  const author = authors.sort((a, b) => b.n - a.n)[0]!.username;
  const [tag] = [...tags].sort((a, b) => b[1] - a[1])[0]!;
  // As near to a hundred favorites as there is, so that both sizes list as much.
  const [fan] = [...fans].sort((a, b) => Math.abs(a[1] - 100) - Math.abs(b[1] - 100))[0]!;
  return {
    'list of 20': '/api/articles',
    'page at offset 1000': '/api/articles?offset=1000',
    'one article': `/api/articles/${slug}`,
    'by the author with the most': `/api/articles?author=${encodeURIComponent(author)}`,
    'by the tag with the most': `/api/articles?tag=${encodeURIComponent(tag)}`,
    'favorited by one of some 100': `/api/articles?favorited=${encodeURIComponent(names.get(fan)!)}`,
  };
}

/**
 * The baseline of `list` and `single`: node:http and pg by hand, for the same JSON by the same statements. It knows one
 * viewer by one token and checks nothing else: no validation, no deadline, no fence, no pool limits, no metrics, no ids.
 */
import { createServer, type ServerResponse } from 'node:http';
import pg from 'pg';
import { bySlug, bySlugFollowed, type SingleRow } from '../../src/articles/data/article.sql.js';
import { listStatement, type ListRow, type WholeRow } from '../../src/articles/queries/list-statements.js';
import { everything } from '../../src/articles/queries/selection.js';
import { placeOfSlug } from '../../src/articles/slug.js';
import { followedAmong } from '../../src/profiles/data/profiles.sql.js';
import { slotOf, type Statement } from '@rookery/sharding';

const [urls, viewer, token] = [process.argv[2]!.split(','), process.argv[3]!, process.argv[4]!];
const pools = urls.map((connectionString) => new pg.Pool({ connectionString, max: 10 }));
const alone = pools.length === 1;
const poolOf = (slot: number): pg.Pool => pools[Math.floor((slot * pools.length) / 4096)]!;
const home = poolOf(slotOf(viewer));
const list = listStatement(everything, { size: 20, offset: false, viewer: true, followed: alone });

async function rowsOf<R>(pool: pg.Pool, { name, text, values, rowMode }: Statement): Promise<R[]> {
  const result = await pool.query({ name, text, values: values as unknown[], rowMode } as pg.QueryConfig);
  return result.rows as R[];
}

async function articles(): Promise<string> {
  const rows = (
    await Promise.all(pools.map((pool) => rowsOf<ListRow | WholeRow>(pool, { ...list, values: [viewer] })))
  ).flat();
  const total = rows.reduce((sum, row) => sum + Number(row[0]), 0);
  if (alone) return `{"articles":[${rows[0]![1] ?? ''}],"articlesCount":${total}}`;
  const page = (rows as ListRow[])
    .flatMap(([, ids, authors, fragments]) => {
      const [author, json] = [authors?.split('\n') ?? [], fragments?.split('\n') ?? []];
      return (ids?.split('\n') ?? []).map((id, i) => ({ id, author: author[i]!, json: json[i]! }));
    })
    .sort((a, b) => (a.id > b.id ? -1 : 1))
    .slice(0, 20);
  const authors = [...new Set(page.map(({ author }) => author))];
  const followed = new Set((await rowsOf<[string]>(home, followedAmong(viewer, authors))).map(([id]) => id));
  const shown = page.map(({ author, json }) => `${json}${followed.has(author)}}}`);
  return `{"articles":[${shown.join(',')}],"articlesCount":${total}}`;
}

async function article(slug: string): Promise<string | undefined> {
  const pool = poolOf(placeOfSlug(slug)!.slot);
  if (alone) {
    const [row] = await rowsOf<SingleRow>(pool, bySlugFollowed(slug, viewer));
    return row && `{"article":${row[1]}}`;
  }
  const [row] = await rowsOf<SingleRow>(pool, bySlug(slug, viewer));
  if (!row) return undefined;
  const followed = await rowsOf<[string]>(home, followedAmong(viewer, [row[0]]));
  return `{"article":${row[1]}${followed.length > 0}}}}`;
}

function answer(response: ServerResponse, status: number, json: string): void {
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(json),
  });
  response.end(json);
}

const server = createServer((request, response) => {
  if (request.headers.authorization !== `Token ${token}`) {
    answer(response, 401, '{}');
    return;
  }
  const path = request.url!;
  const work = path === '/api/articles' ? articles() : article(path.slice('/api/articles/'.length));
  work.then(
    (json) => (json === undefined ? answer(response, 404, '{}') : answer(response, 200, json)),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      answer(response, 500, '{}');
    },
  );
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as { port: number };
  process.stdout.write(`baseline on http://127.0.0.1:${port}/api\n`);
});
process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
  void Promise.all(pools.map((pool) => pool.end()));
});

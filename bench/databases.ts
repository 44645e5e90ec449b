import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { holdEmbeddedPostgres } from '@rookery/devstack';
import { Migrator, type Migration } from '@rookery/sharding';
import { migrations } from '../src/schema.js';

/** dist/, from dist/bench/databases.js. */
export const DIST = fileURLToPath(new URL('..', import.meta.url));

export interface BenchDatabases {
  readonly urls: readonly string[];
  /** Process id of the PostgreSQL server. */
  readonly serverPid: number;
  close(): Promise<void>;
}

/** A PostgreSQL of the benchmark's own, in a temporary folder, with Conduit's schema or another on `shards` databases. */
export async function benchDatabases(
  shards: number,
  schema: readonly Migration[] = migrations,
): Promise<BenchDatabases> {
  const dataDir = await mkdtemp(join(tmpdir(), 'rookery-bench-'));
  const names = Array.from({ length: shards }, (_, i) => `bench_${i + 1}`);
  const server = await holdEmbeddedPostgres({ dataDir, databases: names });
  const close = async (): Promise<void> => {
    await server.release();
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    await new Migrator({ shards: server.urls.map((url) => ({ url })), migrations: schema }).up();
    return { urls: server.urls, serverPid: await serverPidOf(server.urls[0]!), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Fills the shards with the seed of the site; the same articles on every machine that has the same packages. */
export async function fill(urls: readonly string[], articles: number, bodyBytes = 2_000): Promise<string> {
  const said = await runNode(
    ['src/seed/main.js', '--bulk', '--articles', String(articles), '--body-bytes', String(bodyBytes)],
    urls,
  );
  await eachDatabase(urls, (client) => client.query('VACUUM ANALYZE').then(() => undefined));
  return said;
}

export async function eachDatabase(
  urls: readonly string[],
  work: (client: pg.Client, index: number) => Promise<void>,
): Promise<void> {
  for (const [index, connectionString] of urls.entries()) {
    const client = new pg.Client({ connectionString });
    await client.connect();
    try {
      await work(client, index);
    } finally {
      await client.end();
    }
  }
}

async function runNode([script, ...args]: string[], urls: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [join(DIST, script!), ...args], {
    env: { ...process.env, SHARD_URLS: urls.join(','), LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (chunk) => (said += String(chunk)));
  child.stderr.on('data', (chunk) => (said += String(chunk)));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`${script} ended with ${code}: ${said.slice(-2_000)}`);
  return said;
}

/** Process id of the PostgreSQL server that has this database. */
export async function serverPidOf(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ line: string }>(
      "SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1) AS line",
    );
    return Number(rows[0]!.line);
  } finally {
    await client.end();
  }
}

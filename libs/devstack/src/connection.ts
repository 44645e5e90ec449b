import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

const RETRY_MS = 20;
/** Codes that mean: it is this server, and it is not ready yet. */
const NOT_YET = new Set(['57P03', 'ECONNREFUSED', 'ECONNRESET']);

export function urlOf(port: number, password: string, database: string): string {
  return `postgresql://postgres:${password}@127.0.0.1:${port}/${database}`;
}

/** One short session; closed when `work` ends, however it ends. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    ssl: false,
    connectionTimeoutMillis: 5_000,
    application_name: 'rookery-devstack',
  });
  // A session that the server ends fails its query too; without a listener the same error would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** What `pg` fails with: a SQLSTATE when the server answered, the system's code when nobody did. */
export type ConnectionError = Error & { readonly code?: string };

/** Whether the server itself said it: it is there, and means it. */
export function answered(error: ConnectionError): boolean {
  return /^[0-9A-Z]{5}$/.test(error.code ?? '') && !NOT_YET.has(error.code ?? '');
}

/**
 * Resolves with `undefined` once the server takes connections, or with why it does not: at once for an error that waiting
 * does not mend, else when `until` (of `performance.now()`) has passed or `stop` says that there is nothing to wait for.
 */
export async function untilReady(
  url: string,
  until: number,
  stop: () => Promise<boolean>,
): Promise<ConnectionError | undefined> {
  for (;;) {
    const error = await withClient(url, async (client) => client.query('SELECT 1')).then(
      () => undefined,
      (failure: ConnectionError) => failure,
    );
    if (!error || (await stop()) || performance.now() > until) return error;
    if (answered(error)) return error;
    await delay(RETRY_MS);
  }
}

/** Makes those that are missing, one after the other; touches no other. */
export async function createDatabases(adminUrl: string, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await withClient(adminUrl, async (client) => {
    const { rows } = await client.query<{ datname: string }>(
      'SELECT datname FROM pg_database WHERE datname = ANY($1::text[])',
      [names],
    );
    const present = new Set(rows.map((row) => row.datname));
    for (const name of new Set(names)) {
      if (!present.has(name)) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
    }
  });
}

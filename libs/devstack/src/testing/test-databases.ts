import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { devstackErrors } from '../devstack.errors.js';
import { checkOptions } from '../devstack.options.js';
import { withClient } from '../connection.js';
import { testServerUrl } from './test-server.js';

export interface TestDatabasesOptions {
  /** How many databases, e.g. one per shard. */
  readonly count: number;
  /** What the databases start with. @default empty databases */
  readonly template?: {
    /** One template per name and count in a test run: change it when `prepare` does something else. Letters, digits, `_`. */
    readonly name: string;
    /** Called once per run, with one URL per database; must close what it opens. */
    readonly prepare: (urls: string[]) => Promise<void>;
  };
  /** Milliseconds that connections have to end in `drop`. @default 10000 */
  readonly graceMs?: number;
}

export interface TestDatabases {
  readonly urls: string[];
  /**
   * Removes the databases.
   * @throws RK_DEVSTACK_LEAKED_CONNECTIONS, after removing them, when connections to them were still open: what a test
   * opens it closes, or it disturbs the next one.
   */
  readonly drop: () => Promise<void>;
}

/** Session-level advisory lock under which templates are prepared; any number will do. */
const TEMPLATE_LOCK = 7_266_375;
const READY = 'ready';

/**
 * Fresh databases for one test file, cloned from templates that are prepared once per run.
 * @throws RK_DEVSTACK_TEST_SERVER_NOT_STARTED outside a run whose globalSetup called `startTestServer`.
 */
export async function testDatabases(options: TestDatabasesOptions): Promise<TestDatabases> {
  const { count, template, graceMs = 10_000 } = options;
  const adminUrl = await testServerUrl();
  const stem = `t_${randomBytes(6).toString('hex')}`;
  const names = numbered(stem, count);
  checkOptions({ dataDir: '', databases: names });
  await withClient(adminUrl, async (admin) => {
    const templates = template && (await preparedTemplates(admin, adminUrl, count, template, graceMs));
    for (const [index, name] of names.entries()) {
      const source = templates ? ` TEMPLATE ${templates[index]!}` : '';
      await admin.query(`CREATE DATABASE ${name}${source}`);
    }
  });
  return {
    urls: names.map((name) => urlFor(adminUrl, name)),
    drop: () => withClient(adminUrl, (admin) => dropDatabases(admin, names, graceMs)),
  };
}

async function preparedTemplates(
  admin: pg.Client,
  adminUrl: string,
  count: number,
  template: NonNullable<TestDatabasesOptions['template']>,
  graceMs: number,
): Promise<string[]> {
  const key = createHash('sha256').update(`${template.name}/${count}`).digest('hex').slice(0, 12);
  const names = numbered(`template_${key}`, count);
  await admin.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
  try {
    if (await isReady(admin, names)) return names;
    for (const name of names) {
      // What is left of a worker that died while it prepared.
      await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await admin.query(`CREATE DATABASE ${name}`);
    }
    await template.prepare(names.map((name) => urlFor(adminUrl, name)));
    await failOnLeaks(admin, names, graceMs);
    for (const name of names) {
      await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
      await admin.query(`COMMENT ON DATABASE ${name} IS '${READY}'`);
    }
    return names;
  } finally {
    await admin.query('SELECT pg_advisory_unlock($1)', [TEMPLATE_LOCK]);
  }
}

async function isReady(admin: pg.Client, names: string[]): Promise<boolean> {
  const { rows } = await admin.query<{ ready: boolean }>(
    `SELECT count(*) FILTER (WHERE shobj_description(oid, 'pg_database') = $2) = $3 AS ready
     FROM pg_database WHERE datname = ANY($1::text[])`,
    [names, READY, names.length],
  );
  return rows[0]!.ready;
}

async function dropDatabases(admin: pg.Client, names: string[], graceMs: number): Promise<void> {
  try {
    await failOnLeaks(admin, names, graceMs);
  } finally {
    for (const name of names) await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }
}

interface Session {
  readonly datname: string;
  readonly application_name: string;
  readonly state: string;
  readonly query: string;
}

/** A session ends a moment after its client has closed, so a short grace is awaited. */
async function failOnLeaks(admin: pg.Client, names: string[], graceMs: number): Promise<void> {
  const until = performance.now() + graceMs;
  for (;;) {
    const { rows } = await admin.query<Session>(
      `SELECT datname, application_name, state, query FROM pg_stat_activity
       WHERE datname = ANY($1::text[]) AND backend_type = 'client backend'`,
      [names],
    );
    if (rows.length === 0) return;
    if (performance.now() > until) {
      const connections = rows
        .map(
          (row) =>
            `${row.application_name || 'unnamed'} on ${row.datname}, ${row.state}: ${oneLine(row.query)}`,
        )
        .join('; ');
      throw devstackErrors.create('LEAKED_CONNECTIONS', { data: { count: rows.length, connections } });
    }
    await delay(10);
  }
}

function oneLine(query: string): string {
  return query.replace(/\s+/g, ' ').trim().slice(0, 120) || 'no query yet';
}

function numbered(stem: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${stem}_${index + 1}`);
}

function urlFor(adminUrl: string, database: string): string {
  return adminUrl.replace(/[^/]*$/, database);
}

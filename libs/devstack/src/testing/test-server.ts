import { chmod, mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { devstackErrors } from '../devstack.errors.js';
import { destroyEmbeddedPostgres, holdEmbeddedPostgres } from '../hold-embedded-postgres.js';
import { ownIdentity, stillRuns, type ProcessIdentity } from '../process-identity.js';

/** Hands the run's folder from Jest's main process to its workers, which inherit the environment. */
export const TEST_SERVER_VARIABLE = 'ROOKERY_TEST_SERVER';

const FOLDER_PREFIX = 'rookery-test-';
const OWNER_FILE = 'run.json';

/** Jest offers no other way from its main process to its workers. */
const environment = process.env;

/** Data of a test run is thrown away, so nothing is flushed for it. */
const TEST_SETTINGS: Readonly<Record<string, string>> = {
  max_connections: '300',
  max_locks_per_transaction: '256',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  autovacuum: 'off',
  max_wal_size: '2GB',
  checkpoint_timeout: '1h',
};

/**
 * For Jest's globalSetup: makes room for the PostgreSQL server of this run. The server itself starts at the first
 * `testDatabases` of any worker, so a run of pure units does not pay for it.
 * A run that was killed leaves its server behind: the next run stops it here.
 */
export async function startTestServer(): Promise<void> {
  await sweepAbandoned();
  const dataDir = await mkdtemp(join(tmpdir(), FOLDER_PREFIX));
  // As root the server is another user's process, which must be able to enter.
  await chmod(dataDir, 0o755);
  await writeFile(join(dataDir, OWNER_FILE), JSON.stringify(await ownIdentity()));
  environment[TEST_SERVER_VARIABLE] = dataDir;
}

/** For Jest's globalTeardown: stops the server, if one was started, and removes its data. */
export async function stopTestServer(): Promise<void> {
  const dataDir = environment[TEST_SERVER_VARIABLE];
  if (dataDir === undefined) return;
  delete environment[TEST_SERVER_VARIABLE];
  await destroyEmbeddedPostgres(dataDir);
}

/**
 * The URL of the run's server as superuser, started if this is the first call of the run.
 * @throws RK_DEVSTACK_TEST_SERVER_NOT_STARTED
 */
export async function testServerUrl(): Promise<string> {
  const dataDir = environment[TEST_SERVER_VARIABLE];
  if (dataDir === undefined) throw devstackErrors.create('TEST_SERVER_NOT_STARTED');
  // The lease is never given up: it ends with the worker, and globalTeardown stops the server whatever leases there are.
  const server = await holdEmbeddedPostgres({ dataDir, databases: [], settings: TEST_SETTINGS });
  return server.adminUrl;
}

async function sweepAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(FOLDER_PREFIX)) continue;
    const dataDir = join(tmpdir(), name);
    const found = await stat(dataDir).catch(() => undefined);
    if (found?.uid !== process.getuid?.()) continue;
    const owner = await readFile(join(dataDir, OWNER_FILE), 'utf8').catch(() => undefined);
    // Without the file it is a run that is just starting, or none of ours.
    if (owner === undefined) continue;
    if (!(await stillRuns(JSON.parse(owner) as ProcessIdentity))) await destroyEmbeddedPostgres(dataDir);
  }
}

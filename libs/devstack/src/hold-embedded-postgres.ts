import { rm } from 'node:fs/promises';
import { findBinaries } from './binaries.js';
import { openCluster, readPassword, versionOf, type Cluster } from './cluster.js';
import { answered, createDatabases, untilReady, urlOf, type ConnectionError } from './connection.js';
import { devstackErrors } from './devstack.errors.js';
import { checkOptions, type EmbeddedPostgresOptions } from './devstack.options.js';
import { fileFault } from './faults.js';
import { withFileLock } from './file-lock.js';
import { Leases } from './leases.js';
import { stillRuns } from './process-identity.js';
import { findRunning, stopServer, type RunningServer } from './server-process.js';
import { initCluster, startServer } from './start-server.js';

export interface EmbeddedServer {
  /** One per database asked for, in that order; with the password, so never to be logged. */
  readonly urls: readonly string[];
  /** The database `postgres` of the same server. */
  readonly adminUrl: string;
  /** Whether this call started the server; false when it was running already. */
  readonly startedHere: boolean;
  /** Milliseconds from the call until everything was ready. */
  readonly tookMs: number;
  /** Whether this call made the data folder. */
  readonly firstStart: boolean;
  /** Gives the lease up; the last to leave stops the server, and returns when it has stopped. Again: nothing. */
  readonly release: () => Promise<void>;
}

const DEFAULT_TIMEOUT_MS = 60_000;

/**
 * A lease on the PostgreSQL server of a data folder: it runs at least until `release`, or until this process ends.
 *
 * The server is a process of its own, shared by everybody who holds a lease; whoever finds none starts it, and the last to
 * leave stops it. A holder that is killed leaves its lease behind: the next start or leave sweeps it. If all were killed, the
 * server runs on alone, is adopted by the next start, and is stopped by the last to leave from then on. A server that was
 * killed is started again, on its old port if that is free.
 *
 * No signal handler and no exit hook is installed: who holds, releases.
 *
 * @throws the coded errors of `devstackErrors`; nothing is ever deleted from a data folder, and no lease is left behind.
 */
export async function holdEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedServer> {
  const began = performance.now();
  checkOptions(options);
  const cluster = await openCluster(options.dataDir);
  const timeoutMs = options.startTimeoutMs ?? DEFAULT_TIMEOUT_MS;
  const tell = options.onProgress ?? (() => undefined);
  const onWait = (pid: number) =>
    tell(`PostgreSQL: waiting for process ${pid}, which is starting or stopping it`);
  try {
    return await withFileLock(cluster.lock, { timeoutMs, onWait }, async () => {
      const held = await holdLocked(cluster, options, timeoutMs, tell);
      const tookMs = performance.now() - began;
      tell(summary(held, tookMs));
      const { urls, adminUrl, startedHere, firstStart } = held;
      let released: Promise<void> | undefined;
      const release = () => (released ??= releaseLease(cluster, held.lease, timeoutMs));
      return { urls, adminUrl, startedHere, firstStart, tookMs, release };
    });
  } catch (error) {
    throw fileFault(error, options.dataDir);
  }
}

interface Held {
  readonly urls: string[];
  readonly adminUrl: string;
  readonly startedHere: boolean;
  readonly firstStart: boolean;
  readonly lease: string;
  readonly port: number;
  readonly others: number;
  readonly databases: readonly string[];
}

async function holdLocked(
  cluster: Cluster,
  options: EmbeddedPostgresOptions,
  timeoutMs: number,
  tell: (line: string) => void,
): Promise<Held> {
  const leases = new Leases(cluster.leases);
  const others = await leases.sweep();
  const binaries = await findBinaries(cluster.user);
  const version = await versionOf(cluster);
  if (version !== undefined && version !== binaries.major) {
    throw devstackErrors.create('WRONG_MAJOR_VERSION', {
      data: { dataDir: cluster.shownDir, found: version, expected: binaries.major },
    });
  }
  const firstStart = version === undefined;
  if (firstStart) {
    tell(`PostgreSQL ${binaries.major}: making the data folder ${cluster.data}; this happens once`);
    await initCluster(cluster, binaries, options.settings?.fsync !== 'off');
  }
  const password = await readPassword(cluster);
  const found = await findRunning(cluster);
  const adopted =
    found && (await answersAgain(cluster, found, { password, timeoutMs, others })) ? found : undefined;
  const settings = options.settings ?? {};
  const server = adopted ?? (await startServer(cluster, binaries, { password, settings, timeoutMs }));
  const lease = await leases.take();
  const adminUrl = urlOf(server.port, password, 'postgres');
  try {
    await createDatabases(adminUrl, options.databases);
  } catch (error) {
    await leases.giveUp(lease);
    if (others === 0) await stopServer(cluster, server);
    throw startFailed(cluster, error as ConnectionError);
  }
  return {
    urls: options.databases.map((name) => urlOf(server.port, password, name)),
    adminUrl,
    startedHere: adopted === undefined,
    firstStart,
    lease,
    port: server.port,
    others,
    databases: options.databases,
  };
}

/**
 * Whether the server that runs on this folder takes connections, waiting for it if it recovers. One that stays mute and that
 * nobody uses is stopped, so that another can be started.
 */
async function answersAgain(
  cluster: Cluster,
  server: RunningServer,
  { password, timeoutMs, others }: { password: string; timeoutMs: number; others: number },
): Promise<boolean> {
  const until = performance.now() + timeoutMs;
  const ended = async () => !(await stillRuns(server));
  const error = await untilReady(urlOf(server.port, password, 'postgres'), until, ended);
  if (!error) return true;
  if (answered(error)) throw startFailed(cluster, error);
  if (others > 0 && !(await ended())) {
    throw devstackErrors.create('START_TIMEOUT', {
      data: { seconds: Math.round(timeoutMs / 1000), reason: error.message, log: cluster.log },
      cause: error,
    });
  }
  await stopServer(cluster, server);
  return false;
}

function startFailed(cluster: Cluster, cause: ConnectionError): Error {
  return cause.code === '53100'
    ? devstackErrors.create('NO_SPACE', { data: { dataDir: cluster.shownDir }, cause })
    : devstackErrors.create('START_FAILED', { data: { reason: cause.message, log: cluster.log }, cause });
}

async function releaseLease(cluster: Cluster, lease: string, timeoutMs: number): Promise<void> {
  await withFileLock(cluster.lock, { timeoutMs }, async () => {
    const leases = new Leases(cluster.leases);
    await leases.giveUp(lease);
    if ((await leases.sweep()) > 0) return;
    const server = await findRunning(cluster);
    if (server) await stopServer(cluster, server);
  });
}

/**
 * Stops the server of a data folder that nobody is to use any more, whatever leases there are, and removes the folder.
 * For test runs, whose workers may have been killed.
 */
export async function destroyEmbeddedPostgres(dataDir: string): Promise<void> {
  const cluster = await openCluster(dataDir);
  await withFileLock(cluster.lock, { timeoutMs: DEFAULT_TIMEOUT_MS }, async () => {
    const server = await findRunning(cluster);
    if (server) await stopServer(cluster, server);
  });
  await rm(dataDir, { recursive: true, force: true });
}

function summary(held: Held, tookMs: number): string {
  const how = held.firstStart ? 'first start' : held.startedHere ? 'started' : 'already running';
  const others = held.others > 0 ? `, shared with ${held.others} other process(es)` : '';
  const databases = held.databases.length > 0 ? `, databases ${held.databases.join(', ')}` : '';
  return `PostgreSQL: ${how}, ready on 127.0.0.1:${held.port} after ${(tookMs / 1000).toFixed(2)} s${databases}${others}`;
}

import { randomBytes } from 'node:crypto';
import { chown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Binaries } from './binaries.js';
import { openLog, writePassword, type Cluster } from './cluster.js';
import { untilReady, urlOf } from './connection.js';
import { devstackErrors } from './devstack.errors.js';
import { classifyOutput, lastComplaint } from './faults.js';
import { runDetached, runToEnd } from './launch.js';
import { identityOf, stillRuns, type ProcessIdentity } from './process-identity.js';
import { findRunning, freePort, stopServer, type RunningServer } from './server-process.js';

/** What a server on a developer's machine needs. It holds data, so nothing here trades safety for speed. */
const DEFAULT_SETTINGS: Readonly<Record<string, string>> = {
  cluster_name: 'rookery',
  max_connections: '200',
  // A batch over rows of many slots holds a lock for each.
  max_locks_per_transaction: '256',
  shared_buffers: '128MB',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  password_encryption: 'scram-sha-256',
  timezone: 'UTC',
  log_timezone: 'UTC',
  lc_messages: 'C',
  // Compiling a query costs more than the short queries of a site take.
  jit: 'off',
};

/**
 * Makes the data folder. It appears whole or not at all: a start that was killed leaves a draft, which the next one removes.
 * Text sorts by code point on every machine (`C.UTF-8` of PostgreSQL's own), whatever the system's locale.
 */
export async function initCluster(cluster: Cluster, binaries: Binaries, sync: boolean): Promise<void> {
  for (const name of await readdir(cluster.root)) {
    if (name.startsWith('data.new-')) await rm(join(cluster.root, name), { recursive: true, force: true });
  }
  const draft = join(cluster.root, `data.new-${randomBytes(4).toString('hex')}`);
  await mkdir(draft, { mode: 0o700 });
  if (cluster.user) await chown(draft, cluster.user.uid, cluster.user.gid);
  await writePassword(cluster);
  const { code, said } = await runToEnd(cluster, draft, ({ data, passwordFile }) => [
    join(binaries.home, 'bin', 'initdb'),
    `--pgdata=${data}`,
    `--pwfile=${passwordFile}`,
    '--username=postgres',
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    ...(sync ? [] : ['--no-sync']),
  ]);
  if (code === 0) {
    await rename(draft, cluster.data);
    return;
  }
  await rm(draft, { recursive: true, force: true });
  throw classifyOutput(said) === 'no-space'
    ? devstackErrors.create('NO_SPACE', { data: { dataDir: cluster.shownDir } })
    : devstackErrors.create('INIT_FAILED', { data: { dataDir: cluster.root, reason: lastComplaint(said) } });
}

export interface StartOptions {
  readonly password: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/**
 * Starts the server and waits until it takes connections, through crash recovery if need be.
 * Another process may take the port between its choice and its use, and the children of a server that was killed may
 * still be ending: both are tried again.
 */
export async function startServer(
  cluster: Cluster,
  binaries: Binaries,
  options: StartOptions,
): Promise<RunningServer> {
  const until = performance.now() + options.timeoutMs;
  const portFile = join(cluster.root, 'port');
  let wanted = Number(await readFile(portFile, 'utf8').catch(() => '')) || undefined;
  for (;;) {
    const port = await freePort(wanted);
    const attempt = await tryStart(cluster, binaries, port, options, until);
    if (typeof attempt !== 'string') {
      // Made anew, since it may be another user's, whose folder this is all the same.
      await rm(portFile, { force: true });
      await writeFile(portFile, String(port));
      return attempt;
    }
    const fault = classifyOutput(attempt);
    const again = (fault === 'port-taken' || fault === 'still-attached') && performance.now() < until;
    if (!again) throw startFault(cluster, fault, attempt);
    if (fault === 'port-taken') wanted = undefined;
    await delay(100);
  }
}

/** The running server, or what it said before it gave up. */
async function tryStart(
  cluster: Cluster,
  binaries: Binaries,
  port: number,
  options: StartOptions,
  until: number,
): Promise<RunningServer | string> {
  const log = await openLog(cluster);
  const from = (await stat(cluster.log)).size;
  const own = { listen_addresses: '127.0.0.1', port: String(port), unix_socket_directories: '' };
  const settings = { ...DEFAULT_SETTINGS, ...options.settings, ...own };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const program = join(binaries.home, 'bin', 'postgres');
  let started: ProcessIdentity | undefined;
  try {
    started = await identityOf(
      await runDetached(cluster, cluster.data, ({ data }) => [program, '-D', data, ...flags], log.fd),
    );
  } finally {
    await log.close();
  }
  const ended = async () => !(started && (await stillRuns(started)));
  const error = await untilReady(urlOf(port, options.password, 'postgres'), until, ended);
  if (await ended()) return (await readFile(cluster.log)).subarray(from).toString();
  const running = await findRunning(cluster);
  if (!error && running) return running;
  if (running) await stopServer(cluster, running);
  throw devstackErrors.create('START_TIMEOUT', {
    data: {
      seconds: Math.round(options.timeoutMs / 1000),
      reason: error?.message ?? 'no pid file',
      log: cluster.log,
    },
    cause: error,
  });
}

function startFault(cluster: Cluster, fault: string, output: string): Error {
  if (fault === 'no-space') return devstackErrors.create('NO_SPACE', { data: { dataDir: cluster.shownDir } });
  return devstackErrors.create('START_FAILED', { data: { reason: lastComplaint(output), log: cluster.log } });
}

import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { devstackErrors } from './devstack.errors.js';
import { fileFault } from './faults.js';
import { chooseServerUser, firstClosedTo, lookUp, type ServerUser } from './server-user.js';

/** The folder of one embedded server, `<dataDir>/postgres`, and who runs it. */
export interface Cluster {
  /** As the caller wrote it, for messages. */
  readonly shownDir: string;
  readonly root: string;
  /** PostgreSQL's own data folder. */
  readonly data: string;
  readonly lock: string;
  readonly leases: string;
  readonly log: string;
  readonly passwordFile: string;
  /** Set when this process is root. */
  readonly user: ServerUser | undefined;
  /**
   * A folder on the way to `data` that `user` may not enter, if any. The server is then given the data folder as an open
   * file descriptor (see `launch`).
   */
  readonly closed: string | undefined;
}

const LOG_LIMIT_BYTES = 10 * 1024 * 1024;

/**
 * Makes the folders; changes nothing that exists.
 * @throws RK_DEVSTACK_DATA_DIR_NOT_WRITABLE, RK_DEVSTACK_NO_SPACE, RK_DEVSTACK_DATA_DIR_UNREACHABLE
 */
export async function openCluster(dataDir: string): Promise<Cluster> {
  const root = resolve(dataDir, 'postgres');
  const data = join(root, 'data');
  try {
    const user = (await ownerOfExisting(data)) ?? (await chooseServerUser(resolve(dataDir)));
    const made = await makeFolders(join(root, 'leases'));
    if (made !== undefined && user) await giveNewFolders(made, join(root, 'leases'), user, dataDir);
    await probeWritable(root);
    const closed = user && (await firstClosedTo(user, root));
    if (user && closed !== undefined && process.platform !== 'linux') {
      throw devstackErrors.create('DATA_DIR_UNREACHABLE', { data: { user: user.name, path: closed } });
    }
    return {
      shownDir: dataDir,
      root,
      data,
      lock: join(root, 'lock'),
      leases: join(root, 'leases'),
      log: join(root, 'server.log'),
      passwordFile: join(root, 'password'),
      user,
      closed,
    };
  } catch (error) {
    throw fileFault(error, dataDir);
  }
}

/**
 * The topmost folder that was made, if any. Node's own `recursive` never returns where a folder refuses entries with ENOENT
 * (as /proc does), so here it is one try after the folders above are there.
 */
async function makeFolders(path: string): Promise<string | undefined> {
  try {
    await mkdir(path, { mode: 0o755 });
    return path;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return undefined;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
  }
  const above = await makeFolders(dirname(path));
  try {
    await mkdir(path, { mode: 0o755 });
    return above ?? path;
  } catch (error) {
    // Somebody else made it in the meantime.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return above;
  }
}

/** Root takes over the user a server of this folder has run as before. */
async function ownerOfExisting(data: string): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const found = await stat(data).catch(() => undefined);
  return found ? lookUp(String(found.uid)) : undefined;
}

/** As root in somebody's checkout: what root makes there must be usable by that person later. */
async function giveNewFolders(first: string, last: string, user: ServerUser, dataDir: string): Promise<void> {
  const above = await stat(join(first, '..'));
  if (above.uid !== user.uid) return;
  for (let path = last; path.length >= first.length; path = join(path, '..'))
    await chown(path, user.uid, user.gid);
  await chmod(resolve(dataDir), 0o755);
}

async function probeWritable(root: string): Promise<void> {
  const probe = join(root, `.probe-${randomBytes(6).toString('hex')}`);
  await writeFile(probe, 'x');
  await rm(probe);
}

/** The major version of PostgreSQL that made the data folder, or `undefined` when there is none yet. */
export async function versionOf(cluster: Cluster): Promise<string | undefined> {
  const found = await stat(cluster.data).catch(() => undefined);
  if (!found) return undefined;
  const version = await readFile(join(cluster.data, 'PG_VERSION'), 'utf8').catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw notOurs(cluster, `${cluster.data} belongs to another user (${found.uid})`, error);
    },
  );
  if (version !== undefined) {
    if (process.getuid && process.getuid() !== 0 && process.getuid() !== found.uid) {
      throw notOurs(cluster, `${cluster.data} belongs to another user (${found.uid})`);
    }
    return version.trim();
  }
  if ((await readdir(cluster.data)).length > 0) {
    throw notOurs(cluster, `${cluster.data} is not empty and holds no PostgreSQL`);
  }
  return undefined;
}

function notOurs(cluster: Cluster, reason: string, cause?: unknown): Error {
  return devstackErrors.create('DATA_DIR_NOT_OURS', { data: { dataDir: cluster.shownDir, reason }, cause });
}

/** The superuser's password, made with the cluster. Only the owner of the folder (and root) may read the file. */
export async function readPassword(cluster: Cluster): Promise<string> {
  const text = await readFile(cluster.passwordFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  if (text.trim() === '')
    throw devstackErrors.create('PASSWORD_MISSING', { data: { file: cluster.passwordFile } });
  return text.trim();
}

export async function writePassword(cluster: Cluster): Promise<void> {
  await rm(cluster.passwordFile, { force: true });
  await writeFile(cluster.passwordFile, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
  if (cluster.user) await chown(cluster.passwordFile, cluster.user.uid, cluster.user.gid);
}

/** Opened for appending; a log that has grown beyond 10 MB is put aside first. */
export async function openLog(cluster: Cluster): Promise<{ fd: number; close(): Promise<void> }> {
  const size = await stat(cluster.log).then(
    (found) => found.size,
    () => 0,
  );
  if (size > LOG_LIMIT_BYTES) await rename(cluster.log, `${cluster.log}.1`);
  const file = await open(cluster.log, 'a', 0o600);
  if (cluster.user) await file.chown(cluster.user.uid, cluster.user.gid);
  return { fd: file.fd, close: () => file.close() };
}

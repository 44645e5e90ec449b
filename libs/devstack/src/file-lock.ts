import { randomUUID } from 'node:crypto';
import { link, readFile, unlink, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { devstackErrors } from './devstack.errors.js';
import { ownIdentity, stillRuns, type ProcessIdentity } from './process-identity.js';

export interface Holder extends ProcessIdentity {
  readonly token: string;
}

export interface FileLockOptions {
  /** Milliseconds to wait for whoever holds it. */
  readonly timeoutMs: number;
  /** Told once, with the pid of the holder, when there is somebody to wait for. */
  readonly onWait?: (pid: number) => void;
}

const POLL_MS = 20;

/**
 * Runs `work` while no other process, and nobody else in this one, runs anything under the same `path`.
 * A lock whose holder has died (kill -9, power) is broken.
 * @throws RK_DEVSTACK_BUSY when a living holder does not let go in time; what the file system says when `path` cannot be made.
 */
export async function withFileLock<T>(
  path: string,
  options: FileLockOptions,
  work: () => Promise<T>,
): Promise<T> {
  const token = await acquire(path, options);
  try {
    return await work();
  } finally {
    await giveUp(path, token);
  }
}

async function acquire(path: string, options: FileLockOptions): Promise<string> {
  const mine: Holder = { ...(await ownIdentity()), token: randomUUID() };
  const until = performance.now() + options.timeoutMs;
  let told = false;
  for (;;) {
    if (await place(path, mine)) return mine.token;
    const holder = await holderOf(path);
    if (holder === undefined) continue;
    if (!(await stillRuns(holder))) {
      await breakStale(path, holder, mine);
      continue;
    }
    if (!told && holder.pid !== process.pid) options.onWait?.(holder.pid);
    told = true;
    if (performance.now() > until) {
      throw devstackErrors.create('BUSY', {
        data: { pid: holder.pid, lock: path, seconds: Math.round(options.timeoutMs / 1000) },
      });
    }
    await delay(POLL_MS);
  }
}

/** A hard link to a finished file: the lock appears whole or not at all, however its maker dies. */
async function place(path: string, holder: Holder): Promise<boolean> {
  const draft = `${path}.${holder.token}`;
  await writeFile(draft, JSON.stringify(holder), { mode: 0o644 });
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await unlink(draft);
  }
}

/**
 * Removes the lock of a dead holder, and never that of a living one: the right to remove the lock with token T is itself
 * a lock, named after T. Its owner looks again before it removes, and nobody else may remove T meanwhile.
 */
export async function breakStale(path: string, stale: Holder, mine: Holder): Promise<void> {
  const right = `${path}.break-${stale.token}`;
  if (!(await place(right, mine))) {
    const other = await holderOf(right);
    if (other && !(await stillRuns(other))) await breakStale(right, other, mine);
    else await delay(POLL_MS);
    return;
  }
  try {
    if ((await holderOf(path))?.token === stale.token) await unlink(path);
  } finally {
    await unlink(right);
  }
}

async function giveUp(path: string, token: string): Promise<void> {
  if ((await holderOf(path))?.token === token) await unlink(path);
}

async function holderOf(path: string): Promise<Holder | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Holder;
  } catch {
    // A machine that lost power may leave an empty file: nobody holds it.
    return { pid: 0, born: 'torn', token: 'torn' };
  }
}

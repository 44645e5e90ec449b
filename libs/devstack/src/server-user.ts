import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

/** The operating system's user a server runs as. `undefined` where this is said: as the user of this process. */
export interface ServerUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * PostgreSQL refuses to run as root. As root it is therefore run as the owner of the data folder (or, when the folder is
 * yet to be made, of the nearest folder above it), so that a later start as that person works; where that is root too, as
 * `postgres` if the system has it, else as `nobody`. No user is ever created.
 */
export async function chooseServerUser(dataDir: string): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await ownerOfNearest(dataDir);
  const chosen =
    (owner === 0 ? undefined : await lookUp(String(owner))) ??
    (await lookUp('postgres')) ??
    (await lookUp('nobody'));
  if (chosen === undefined) throw new Error('the system has neither a user postgres nor nobody');
  return chosen;
}

/** `undefined` when the system does not know the user: initdb demands a name for every uid. */
export async function lookUp(nameOrUid: string): Promise<ServerUser | undefined> {
  const shown = await promisify(execFile)('id', [nameOrUid]).catch(() => undefined);
  // As POSIX has it: uid=101(postgres) gid=104(postgres) groups=…
  const [, uid, name, gid] = /^uid=(\d+)\(([^)]+)\) gid=(\d+)/.exec(shown?.stdout ?? '') ?? [];
  return name === undefined ? undefined : { name, uid: Number(uid), gid: Number(gid) };
}

async function ownerOfNearest(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found?.uid ?? (dirname(path) === path ? 0 : ownerOfNearest(dirname(path)));
}

/**
 * The first folder on the way to `path`, itself included, that the user may not enter. By mode bits alone: an access list
 * that says otherwise costs a detour or a clear failure, never a wrong file.
 */
export async function firstClosedTo(user: ServerUser, path: string): Promise<string | undefined> {
  const above = dirname(path) === path ? undefined : await firstClosedTo(user, dirname(path));
  if (above !== undefined) return above;
  const { mode, uid, gid } = await stat(path);
  const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
  return (mode & bit) === 0 ? path : undefined;
}

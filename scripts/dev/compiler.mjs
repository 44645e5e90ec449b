import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { transformFile } from '@swc/core';

/**
 * Compiles the project as `nest build` does: what to compile and what not from nest-cli.json, how from .swcrc. Unlike it,
 * this compiles one file at a time, leaves unchanged output alone, and so never takes `dist` from under a process that runs
 * from it.
 */
export class Compiler {
  #root;
  #outDir;
  #swc;
  #ignored;
  /** Folders that hold sources, relative to the root. */
  folders;

  static async of(root) {
    const json = async (name) => JSON.parse(await readFile(join(root, name), 'utf8'));
    const [{ $schema: _, ...swcrc }, nest, tsconfig] = await Promise.all(
      ['.swcrc', 'nest-cli.json', 'tsconfig.json'].map(json),
    );
    return new Compiler(root, swcrc, nest.compilerOptions.builder.options, tsconfig.compilerOptions.outDir);
  }

  constructor(root, swcrc, { filenames, ignore }, outDir) {
    this.#root = root;
    this.#outDir = join(root, outDir);
    this.#swc = { ...swcrc, jsc: { ...swcrc.jsc, baseUrl: resolve(root, swcrc.jsc.baseUrl) }, swcrc: false };
    this.#ignored = ignore.map(patternOf);
    this.folders = filenames;
  }

  isSource(path) {
    const shown = relative(this.#root, path).replaceAll('\\', '/');
    return /(?<!\.d)\.ts$|\.proto$/.test(shown) && !this.isIgnored(path);
  }

  isIgnored(path) {
    const shown = relative(this.#root, path).replaceAll('\\', '/');
    return this.#ignored.some((pattern) => pattern.test(shown));
  }

  /** Compiles everything, and removes what no source stands behind any more. */
  async all() {
    const ignored = (path) => this.isIgnored(`${path}/x`);
    const found = await Promise.all(this.folders.map((folder) => filesIn(join(this.#root, folder), ignored)));
    const sources = found.flat().filter((path) => this.isSource(path));
    const result = await this.some(sources);
    const wanted = new Set(sources.flatMap((path) => [this.#outputOf(path), `${this.#outputOf(path)}.map`]));
    for (const path of await filesIn(this.#outDir)) if (!wanted.has(path)) await rm(path, { force: true });
    return { ...result, count: sources.length };
  }

  /** Compiles these files, or removes their output where they are gone; whether any output changed, and what failed. */
  async some(paths) {
    const failures = [];
    let changed = false;
    await Promise.all(
      paths.map(async (path) => {
        try {
          if (await this.#one(path)) changed = true;
        } catch (error) {
          failures.push(`${relative(this.#root, path)}\n${complaintOf(error)}`);
        }
      }),
    );
    return { changed, failures };
  }

  /** The packages that the compiled site and libraries import, by the names they import them by. */
  async vendors() {
    const names = new Set();
    for (const folder of ['src', 'libs']) {
      for (const path of await filesIn(join(this.#outDir, folder))) {
        if (!path.endsWith('.js') || /[\\/]testing[\\/]/.test(path)) continue;
        const code = await readFile(path, 'utf8');
        for (const [, name] of code.matchAll(/^import (?:[^'";]+ from )?['"]([^.'"][^'"]*)['"]/gm)) {
          if (!name.startsWith('node:')) names.add(name);
        }
      }
    }
    return [...names];
  }

  async #one(path) {
    const output = this.#outputOf(path);
    if (path.endsWith('.proto')) return this.#copy(path, output);
    const compiled = await transformFile(path, {
      ...this.#swc,
      filename: path,
      sourceFileName: relative(dirname(output), path),
    }).catch(async (error) => {
      const present = await readFile(path).then(
        () => true,
        () => false,
      );
      if (present) throw error;
      return undefined;
    });
    if (!compiled) {
      await rm(output, { force: true });
      await rm(`${output}.map`, { force: true });
      return true;
    }
    const code = `${compiled.code}\n//# sourceMappingURL=${basename(output)}.map`;
    if ((await readFile(output, 'utf8').catch(() => undefined)) === code) return false;
    await mkdir(dirname(output), { recursive: true });
    await replace(`${output}.map`, compiled.map ?? '{}');
    await replace(output, code);
    return true;
  }

  /** What is read at run time stands where it stood beside the code that reads it, as `assets` of nest-cli.json has it. */
  async #copy(path, output) {
    const [now, before] = await Promise.all(
      [path, output].map((file) => readFile(file, 'utf8').catch(() => undefined)),
    );
    if (now === before) return false;
    if (now === undefined) {
      await rm(output, { force: true });
      return true;
    }
    await mkdir(dirname(output), { recursive: true });
    await replace(output, now);
    return true;
  }

  #outputOf(path) {
    return join(this.#outDir, relative(this.#root, path)).replace(/\.ts$/, '.js');
  }
}

/** All files below a folder, but for the folders to leave out; none where there is no folder. */
async function filesIn(folder, leaveOut = () => false) {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const nested = entries.map((entry) => {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) return [path];
    return leaveOut(path) ? [] : filesIn(path, leaveOut);
  });
  return (await Promise.all(nested)).flat();
}

/** What SWC says of the source, without its own stack. */
function complaintOf(error) {
  return String(error.message ?? error)
    .split(/\n\s*(?:Caused by:|Stack backtrace:)/)[0]
    .trim();
}

/** Whole or not at all: another process may be reading it. */
async function replace(path, text) {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, text);
  await rename(draft, path);
}

/** The few shapes of glob that nest-cli.json uses: `**` for any folders, `*` within a name. */
function patternOf(glob) {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('**/', '\u0001')
    .replaceAll('**', '\u0002')
    .replaceAll('*', '[^/]*')
    .replaceAll('\u0001', '(?:.*/)?')
    .replaceAll('\u0002', '.*');
  return new RegExp(`^${source}$`);
}

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Compiler } from './dev/compiler.mjs';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const LOCK = join(root, 'node_modules/.cache/rookery-build');
const SETTINGS = ['.swcrc', 'nest-cli.json'];

/**
 * Brings `dist` up to the sources, if any is newer than what was built of it. By the compiler of `start:dev`, which changes
 * only what has changed: a site that runs from `dist` keeps it. Programs that ask at the same time build once.
 * @returns whether it built
 */
export async function buildIfStale() {
  if (!isStale()) return false;
  await lock();
  try {
    if (!isStale()) return false;
    const stale = [...staleSources()];
    await build();
    // The compiler leaves alone what it would write again as it was.
    const now = new Date();
    for (const path of stale) utimesSync(outputOf(path), now, now);
    return true;
  } finally {
    rmSync(LOCK, { recursive: true, force: true });
  }
}

/** Compared file by file: a watching build rewrites only what changed. */
export function isStale() {
  return staleSources().next().done === false;
}

function* staleSources() {
  const settings = Math.max(...SETTINGS.map((name) => modified(join(root, name))));
  for (const path of sources()) {
    const built = modified(outputOf(path));
    if (built < settings || built < modified(join(root, path))) yield path;
  }
}

function outputOf(source) {
  return join(root, 'dist', source.replace(/\.ts$/, '.js'));
}

function* sources() {
  const libs = readdirSync(join(root, 'libs')).map((lib) => join('libs', lib, 'src'));
  for (const folder of ['src', 'bench', ...libs]) {
    if (!existsSync(join(root, folder))) continue;
    for (const name of readdirSync(join(root, folder), { recursive: true }))
      if (/(?<!\.spec|\.d)\.ts$|\.proto$/.test(name)) yield join(folder, name);
  }
}

function modified(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

async function build() {
  const started = performance.now();
  process.stderr.write('building … ');
  const { failures } = await (await Compiler.of(root)).all();
  if (failures.length > 0) throw new Error(`the build failed:\n${failures.join('\n')}`);
  process.stderr.write(`${((performance.now() - started) / 1000).toFixed(1)} s\n`);
}

/** One builder at a time on this checkout; the lock of one that was killed is taken over. */
async function lock() {
  mkdirSync(dirname(LOCK), { recursive: true });
  for (;;) {
    try {
      mkdirSync(LOCK);
      writeFileSync(join(LOCK, 'pid'), String(process.pid));
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (holderIsGone()) rmSync(LOCK, { recursive: true, force: true });
    else await wait(50);
  }
}

function holderIsGone() {
  try {
    process.kill(Number(readFileSync(join(LOCK, 'pid'), 'utf8')), 0);
    return false;
  } catch (error) {
    if (error.code === 'ESRCH') return true;
    // Made a moment ago and not yet signed, or given back by now; one that was never signed has an age.
    const made = modified(LOCK);
    return error.code === 'ENOENT' && made > 0 && Date.now() - made > 5_000;
  }
}

#!/usr/bin/env node
// npx rookery <command>: finds the project around the working directory, brings its build up to date, and hands the command
// line to the site's entry, which knows the site's shards.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** EX_CONFIG of sysexits.h: the project is set up wrongly; trying again changes nothing. */
const EXIT_CONFIG = 78;

class ProjectFault extends Error {}

// Whoever reads has read enough: `| head`, a pager that was left. What was begun is ended in order all the same.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error;
});

try {
  const { root, site, build } = findProject(process.cwd());
  const entry = join(root, site);
  await bringUpToDate(root, entry, build);
  if (!existsSync(entry)) throw new ProjectFault(`${entry} does not exist: nothing builds it`);
  // Paths in the configuration (DATA_DIR) are the project's, wherever in it the command was typed.
  process.chdir(root);
  process.argv[1] = entry;
  process.setSourceMapsEnabled(true);
  await import(pathToFileURL(entry).href);
} catch (error) {
  process.stderr.write(
    `rookery: ${error instanceof ProjectFault ? error.message : (error.stack ?? error)}\n`,
  );
  process.exitCode = error instanceof ProjectFault ? EXIT_CONFIG : 1;
}

/** The nearest package.json that names a site. */
function findProject(from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const manifest = read(join(folder, 'package.json'));
    if (manifest?.rookery !== undefined) return { root: folder, ...checked(manifest.rookery, folder) };
    if (dirname(folder) === folder) {
      throw new ProjectFault(
        `no package.json from ${from} upwards has a "rookery" field: run it in the folder of a site`,
      );
    }
  }
}

function read(path) {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ProjectFault(`${path} cannot be read: ${error.message}`);
  }
}

function checked({ site, build }, folder) {
  if (typeof site !== 'string' || site === '') {
    throw new ProjectFault(
      `"rookery.site" in ${join(folder, 'package.json')} must name the site's entry, like "dist/src/cli.js"`,
    );
  }
  return { site, build: typeof build === 'string' ? build : undefined };
}

/** A module says itself whether anything is to do; a command line is only run where there is nothing yet. */
async function bringUpToDate(root, entry, build) {
  if (build === undefined) return;
  if (/^\S+\.m?js$/.test(build)) {
    const { buildIfStale } = await import(pathToFileURL(join(root, build)).href);
    if (typeof buildIfStale !== 'function')
      throw new ProjectFault(`${build} exports no function buildIfStale`);
    try {
      await buildIfStale();
    } catch (error) {
      throw new ProjectFault(error.message);
    }
  } else if (!existsSync(entry)) {
    process.stderr.write(`${build} …\n`);
    const code = await run(build, root);
    if (code !== 0) throw new ProjectFault(`\`${build}\` ended with code ${code}`);
  }
}

/** With the project's own programs in reach, as npm scripts have them. What it says belongs to standard error here. */
function run(command, cwd) {
  const separator = process.platform === 'win32' ? ';' : ':';
  const path = `${join(cwd, 'node_modules/.bin')}${separator}${process.env.PATH ?? ''}`;
  const child = spawn(command, {
    cwd,
    shell: true,
    stdio: ['ignore', process.stderr, process.stderr],
    env: { ...process.env, PATH: path },
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}

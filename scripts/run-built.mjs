// node scripts/run-built.mjs <file of dist> [arguments…]
// Runs a program of this repository as it is built, building it first where a source has changed since.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { buildIfStale, root } from './build-if-stale.mjs';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

const [file, ...args] = process.argv.slice(2);
try {
  if (file === undefined) throw new Error('usage: node scripts/run-built.mjs <file of dist> [arguments…]');
  await buildIfStale();
  if (!existsSync(join(root, file))) throw new Error(`${file} does not exist: no source builds it`);
  process.exitCode = await run(join(root, file), args);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

/** The exit code of the program; killed by a signal, what a shell would say. */
function run(path, programArgs) {
  // The working directory stays the caller's, so that paths among the arguments mean what they say.
  const child = spawn(process.execPath, ['--enable-source-maps', path, ...programArgs], { stdio: 'inherit' });
  // A terminal sends Ctrl-C to the whole group: the program has it already, this one only has to outlive it.
  const forward = (signal) => {
    if (!(signal === 'SIGINT' && process.stdin.isTTY)) child.kill(signal);
  };
  for (const signal of SIGNALS) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}

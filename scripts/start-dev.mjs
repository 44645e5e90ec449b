/**
 * `npm run start:dev`: compiles, holds the embedded PostgreSQL, runs the site, and runs it anew when a file changes.
 *
 * PostgreSQL is held here too, so that it stays up while the site restarts. One Ctrl-C stops the site in order, then
 * PostgreSQL if nobody else uses it; a second one, a while later, does not wait for the site.
 */
import './run-source.mjs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { watch } from 'chokidar';
import { Compiler } from './dev/compiler.mjs';
import { Site } from './dev/site.mjs';

/**
 * Editors save in steps; a branch switch touches hundreds of files. Longer than the 50 ms for which chokidar drops a further
 * change of the same file, or the last of two quick ones would be neither seen nor read.
 */
const SETTLE_MS = 60;
/** npm passes Ctrl-C on to us, who have had it from the terminal already. */
const SAME_SIGNAL_MS = 1_000;
/** A site that ends by itself so early was never up: its configuration or its port is at fault, and no edit mends that. */
const EARLY_MS = 30_000;

const root = resolve(fileURLToPath(new URL('..', import.meta.url)));
process.chdir(root);
const began = performance.now();
const say = (text) => console.log(`dev: ${text}`);
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(2)} s`;

let postgres;
let watcher;
let stopping;
let restarts = 0;

const compiler = await Compiler.of(root);
const site = new Site(
  join(root, 'dist/src/main.js'),
  () => compiler.vendors(),
  (code, livedMs) => {
    if (code === 0 || (restarts === 0 && livedMs < EARLY_MS)) void leave(code);
    else say(`the site ended with code ${code}; waiting for a change`);
  },
);

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void onSignal(signal));
// npm passes a signal on to the shell that runs us, and many a shell just dies of it.
const parent = process.ppid;
if (process.env.npm_lifecycle_event) {
  setInterval(() => void (process.ppid !== parent && !stopping && onSignal('npm has gone')), 250).unref();
}

const holding = holdPostgres();
const [built, held] = await Promise.allSettled([build(), holding]);
if (stopping) {
  // A signal came first.
} else if (held.status === 'rejected') {
  console.error(
    `dev: ${held.reason.code ? `${held.reason.code}: ${held.reason.message}` : held.reason.stack}`,
  );
  await leave(1);
} else if (built.status === 'rejected') {
  console.error(`dev: ${built.reason.stack}`);
  await leave(1);
} else {
  await watchSources();
  if (built.value && !stopping) site.start();
}

async function build() {
  const { count, failures } = await compiler.all();
  report(failures);
  if (failures.length === 0) say(`compiled ${count} files in ${seconds(began)}`);
  return failures.length === 0;
}

async function holdPostgres() {
  if (process.env.SHARD_URLS) return;
  const count = Number(process.env.EMBEDDED_SHARDS || '2');
  const { devstackErrors, embeddedDatabaseNames, holdEmbeddedPostgres } = await import('@rookery/devstack');
  let databases;
  try {
    databases = embeddedDatabaseNames(count, 'conduit');
  } catch (error) {
    // The site reports it with all other faults of the configuration.
    if (devstackErrors.is(error, 'BAD_OPTIONS')) return;
    throw error;
  }
  postgres = await holdEmbeddedPostgres({
    dataDir: process.env.DATA_DIR || '.rookery',
    databases,
    onProgress: say,
  });
}

async function watchSources() {
  const changed = new Set();
  let timer;
  let busy = Promise.resolve();
  watcher = watch(compiler.folders, {
    cwd: root,
    ignoreInitial: true,
    ignored: (path, stats) =>
      compiler.isIgnored(resolve(path)) || (stats?.isFile() && !/\.(ts|proto)$/.test(path)),
  });
  watcher.on('all', (_event, path) => {
    if (!compiler.isSource(resolve(path))) return;
    changed.add(resolve(path));
    clearTimeout(timer);
    timer = setTimeout(() => {
      const paths = [...changed];
      changed.clear();
      busy = busy.then(() => onChange(paths));
    }, SETTLE_MS);
  });
  await new Promise((ready) => watcher.once('ready', ready));
}

async function onChange(paths) {
  if (stopping) return;
  const started = performance.now();
  const result = await compiler.some(paths);
  report(result.failures);
  if (result.failures.length > 0) return say('the site runs on as it was');
  if (!result.changed || stopping) return;
  const what = paths.length === 1 ? relative(root, paths[0]) : `${paths.length} files`;
  restarts += 1;
  await site.stop();
  if (stopping) return;
  site.start();
  say(`${what} changed: restarting (compiled and stopped in ${seconds(started)})`);
}

function report(failures) {
  for (const failure of failures) console.error(`dev: does not compile: ${failure}`);
}

async function onSignal(signal) {
  if (!stopping) {
    say(`${signal}: stopping`);
    await leave(0);
  } else if (performance.now() - stopping > SAME_SIGNAL_MS) {
    site.kill();
  }
}

async function leave(code) {
  if (stopping) return;
  stopping = performance.now();
  process.exitCode = code;
  try {
    await watcher?.close();
    await site.close();
    // A signal may come while PostgreSQL is being started.
    await Promise.allSettled([holding]);
    await postgres?.release();
    if (code === 0) say(`stopped in ${seconds(stopping)}`);
  } catch (error) {
    console.error(`dev: ${error.code ?? ''} ${error.message}`);
    process.exitCode = 1;
  }
  process.exit();
}

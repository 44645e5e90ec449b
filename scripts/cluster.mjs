/**
 * `npm run cluster -- [options]`: the whole site on this machine, with real servers. Says what the machine lacks, builds what
 * is stale, and runs until Ctrl-C; a second one, a while later, hurries.
 */
import { buildIfStale, root } from './build-if-stale.mjs';
import { kafkaJars, lacking, provide } from './system-programs.mjs';

/** EX_CONFIG and EX_USAGE of sysexits.h. */
const EXIT_CONFIG = 78;
const EXIT_USAGE = 2;
/** npm passes Ctrl-C on to us, who have had it from the terminal already. */
const SAME_SIGNAL_MS = 1_000;

const say = (line) => console.log(`cluster: ${line}`);
const stop = new AbortController();
const hurry = new AbortController();
let stoppingSince;
let run;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => onSignal(signal));
// npm passes a signal on to the shell that runs us, and many a shell just dies of it.
const parent = process.ppid;
if (process.env.npm_lifecycle_event)
  setInterval(
    () => void (process.ppid !== parent && !stoppingSince && onSignal('npm has gone')),
    250,
  ).unref();
// Nobody reads any more: it is stopped in order all the same.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exit(await main());

async function main() {
  try {
    await buildIfStale();
  } catch (error) {
    return fail(error.message, 1);
  }
  process.chdir(root);
  process.setSourceMapsEnabled(true);
  const cluster = await import('../dist/src/cluster/index.js');
  let options;
  try {
    options = cluster.parseClusterOptions(process.argv.slice(2));
  } catch (error) {
    if (error instanceof cluster.ClusterUsageFault)
      return fail(`${error.message}\n\n${cluster.USAGE}`, EXIT_USAGE);
    throw error;
  }
  if (options.help) {
    console.log(cluster.USAGE);
    return 0;
  }
  const needs = cluster.needsOf(options);
  if (lacking(needs).length > 0 && !options.install) {
    const how = 'as root on Debian, --install gets it';
    return fail(`missing on this machine (${how}):\n  ${lacking(needs).join('\n  ')}`, EXIT_CONFIG);
  }
  const began = performance.now();
  try {
    await provide(needs);
    const { environment, ...settings } = {
      environment: process.env,
      options,
      root,
      say,
      kafkaJars: kafkaJars(),
    };
    run = await cluster.runCluster({ ...settings, environment, signal: stop.signal, hurry: hurry.signal });
  } catch (error) {
    if (stoppingSince !== undefined) return stopped();
    return fail(error.code ? `${error.message} (${error.code})` : error.message, 1);
  }
  say(`all of it runs after ${((performance.now() - began) / 1_000).toFixed(1)} s; Ctrl-C stops it in order`);
  console.log(run.ready);
  if (!stop.signal.aborted) await new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
  try {
    await run.stop({ hurry: hurry.signal.aborted });
  } catch (error) {
    return fail(`${error.message}: ${(error.errors ?? []).map(({ message }) => message).join('; ')}`, 1);
  }
  return stopped();
}

function stopped() {
  say(`stopped in ${((performance.now() - stoppingSince) / 1_000).toFixed(1)} s`);
  return 0;
}

function onSignal(signal) {
  if (stoppingSince === undefined) {
    stoppingSince = performance.now();
    say(`${signal}: stopping in order`);
    stop.abort();
  } else if (performance.now() - stoppingSince > SAME_SIGNAL_MS && !hurry.signal.aborted) {
    say(`${signal} came again: what is under way is cut`);
    hurry.abort();
  }
}

function fail(message, code) {
  process.stderr.write(`cluster: ${message}\n`);
  return code;
}

import cluster from 'node:cluster';
import { CodedError } from '@rookery/kernel';
import { ConfigFault, loadConfig, type Config } from './config/index.js';
import { startSite, type Site } from './site.js';
import { othersServe, WorkerEnded, Workers, type WorkerReady } from './workers.js';

/** EX_CONFIG of sysexits.h: whoever restarts the process need not try again. */
const EXIT_CONFIG = 78;
const CONFIGURATION = new Set([
  'RK_SECURITY_KEYS_MISSING',
  'RK_SECURITY_KEYS_INVALID',
  'RK_SHARDING_IDENTITY',
]);
/** A terminal sends Ctrl-C to the whole group, and npm passes it on to us once more. */
const SAME_SIGNAL_MS = 1_000;

let site: Site | undefined;
let workers: Workers | undefined;
let stoppingSince: number | undefined;

// Before anything is started: a signal in the middle of it must leave nothing behind.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => onSignal(signal));
process.on('uncaughtException', (error) => {
  say(`failed, and stops: ${reasonOf(error)}`);
  site?.logger.fatal(error, 'Site');
  process.exitCode = 1;
  stop();
});

const starting = start();
starting.catch(fail);

async function start(): Promise<void> {
  const config = loadConfig();
  if (config.workers > 1 && cluster.isPrimary) return startWorkers(config);
  site = await startSite({ config });
  if (stoppingSince !== undefined) return;
  cluster.worker?.send({ url: site.url, opsUrl: site.opsUrl } satisfies WorkerReady);
  cluster.worker?.once('disconnect', stop);
  const operations = site.opsUrl === undefined ? '' : ` · operations ${site.opsUrl}`;
  site.logger.ready(`Conduit is ready on ${site.url}/api · docs /docs${operations}`);
}

async function startWorkers(config: Config): Promise<void> {
  workers = new Workers(config, say);
  // They end by themselves where one of them cannot start.
  void workers.ended.then((code) => process.exit(code));
  const ready = await workers.start();
  // Each of them has told the log; this is for people.
  if (config.logFormat !== 'pretty') return;
  const operations = ready.map(({ opsUrl }) => opsUrl).join(' ');
  process.stdout.write(
    `Conduit is ready on ${ready[0]!.url}/api in ${ready.length} processes · operations ${operations}\n`,
  );
}

/** In order, once what is being started has started. */
function stop(): void {
  if (stoppingSince !== undefined) return;
  stoppingSince = performance.now();
  if (workers) return workers.stop();
  starting
    .then(async () => site?.stop({ othersServe: await othersServe() }))
    .then(() => process.exit(), fail);
}

function onSignal(signal: NodeJS.Signals): void {
  if (stoppingSince === undefined) return stop();
  if (performance.now() - stoppingSince < SAME_SIGNAL_MS) return;
  if (workers) return workers.stop();
  if (site === undefined) return fail(new Error(`${signal} came again: the start is not waited for`));
  stoppingSince = Infinity;
  say(`${signal} came again: requests under way are cut`);
  process.exitCode = 1;
  // Its failure is that of the first call, which is waited for.
  site.stop({ hurry: true }).catch(() => undefined);
}

/** The exit code that goes with the failure, and one clear line. */
function fail(error: unknown): void {
  if (error instanceof WorkerEnded) return;
  const configuration =
    error instanceof ConfigFault || (error instanceof CodedError && CONFIGURATION.has(error.code));
  say(reasonOf(error));
  process.exit(configuration ? EXIT_CONFIG : 1);
}

function say(line: string): void {
  process.stderr.write(`conduit: ${line.replace(/\s*\n\s*/g, ' ')}\n`);
}

function reasonOf(error: unknown): string {
  if (error instanceof CodedError) return `${error.message} (${error.code})`;
  // Node's own, of a host with several addresses, has no message.
  if (error instanceof AggregateError) {
    const reasons = error.errors.map(reasonOf).join('; ');
    return error.message === '' ? reasons : `${error.message}: ${reasons}`;
  }
  return error instanceof Error ? error.message || error.name : String(error);
}

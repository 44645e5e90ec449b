import { CodedError } from '@rookery/kernel';
import { createProgress } from './progress.js';
import { seed } from './seed.js';
import { seedOptions, USAGE } from './options.js';

const EXIT_INTERRUPTED = 130;

const stop = new AbortController();
const progress = createProgress({
  write: (text) => process.stdout.write(text),
  terminal: process.stdout.isTTY === true,
  // Some terminals do not know their width and say 0.
  columns: process.stdout.columns || undefined,
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => stop.abort(new Error(`${signal}: run the same command again to go on`)));
}

try {
  const options = seedOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(USAGE);
  else await seed(options, progress, stop.signal);
} catch (error) {
  progress.end();
  process.stderr.write(`seed: ${stop.signal.aborted ? reasonOf(stop.signal.reason) : reasonOf(error)}\n`);
  process.exitCode = stop.signal.aborted ? EXIT_INTERRUPTED : exitCodeOf(error);
}

function reasonOf(error: unknown): string {
  if (error instanceof CodedError) return `${error.message} (${error.code})`;
  return error instanceof Error ? error.message : String(error);
}

/** A fault of the command line or of the configuration carries its own. */
function exitCodeOf(error: unknown): number {
  const code: unknown = error instanceof Error && 'exitCode' in error ? error.exitCode : undefined;
  return typeof code === 'number' ? code : 1;
}

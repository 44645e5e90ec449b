import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

const POLL_MS = 250;

/**
 * Runs a program without input and waits for its end.
 * @param options.show passes its output on as it comes
 * @param options.endsAfter kills it where it is still there `withinMs` after `file` has appeared, and says so in `output`
 * @returns its exit code (or the signal that ended it) and all it wrote
 */
export async function runChild(program, args, { cwd, show = false, endsAfter } = {}) {
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const [stream, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ])
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
      if (show) to.write(text);
    });
  const watch = endsAfter && watchForEnd(child, endsAfter, (note) => (output += note));
  try {
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (exitCode, signal) => resolve(exitCode ?? signal));
    });
    return { code, output };
  } finally {
    clearInterval(watch);
  }
}

function watchForEnd(child, { file, withinMs }, note) {
  let since;
  return setInterval(() => {
    if (!existsSync(file)) return;
    since ??= performance.now();
    if (performance.now() - since < withinMs) return;
    note('\nit did not end by itself\n');
    child.kill('SIGKILL');
  }, POLL_MS);
}

// npm test             lint, types, then every quick suite that needs nothing but npm's packages
// npm run test:stack   the suites of test/stack, which need programs of the system too, or whole processes and their time
// Arguments after `--` go to Jest. The last line is always `N passed, N failed, N skipped`; lint and types count as one
// each, and are looked at side by side. Exits with 1 if anything failed. What fails ends the run: what comes after it would
// only repeat it. What failed is told once more at the end, for whoever sees only that of a long log: a line `failed: …`
// each, then the first lines of what it said, behind `  | `.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { runChild } from './run-child.mjs';
import { provideFor } from './system-programs.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** What Jest writes when something of a test outlived it. */
const LEAKS = [
  /did not end by itself/,
  /failed to exit gracefully/,
  /did not exit .* after the test run/,
  /attempting to log after the tests/,
];
/** Time for Jest to end before it says itself that something holds it; its own second is too short on a busy machine. */
const EXIT_GRACE_MS = 10_000;
/** Time for Jest to end once it has written its results; a test that holds it longer has left something open. */
const EXIT_LIMIT_MS = 15_000;
/** Of each failure, at the end; all of it stands where it happened. */
const RECAP_LINES = 20;

const args = process.argv.slice(2);
const stack = args[0] === '--stack';
const forJest = stack ? args.slice(1) : args;
const total = { passed: 0, failed: 0, skipped: 0 };
/** What failed, as it is told at the end. */
const failures = [];
/** One after the other; what stands in one runs at once, and says what it has to say only if it fails. */
const stages = stack
  ? [
      [{ name: 'programs', run: () => provideFor(join(root, 'test/stack')) }],
      // There may be no such suite yet; of the others there always is one.
      [{ name: 'stack', run: () => jest('jest.stack.config.mjs', '--passWithNoTests', ...forJest) }],
    ]
  : [
      [
        { name: 'lint', run: () => command('npm', ['run', '--silent', 'lint']) },
        { name: 'types', run: () => command('npm', ['run', '--silent', 'typecheck']) },
      ],
      [{ name: 'tests', run: () => jest('jest.config.mjs', ...forJest) }],
    ];

for (const stage of stages) {
  const outcomes = await Promise.all(stage.map(counted));
  if (outcomes.some(({ failed }) => failed > 0)) break;
}
process.exitCode = total.failed === 0 ? 0 : 1;
for (const failure of failures) console.log(failure);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);

async function counted({ name, run }) {
  const started = performance.now();
  console.log(`${name} …`);
  const counts = await run().catch((error) => {
    console.log(error.message);
    tellAtTheEnd(name, error.message);
    return { passed: 0, failed: 1, skipped: 0 };
  });
  for (const key of Object.keys(total)) total[key] += counts[key];
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${name} ${counts.failed === 0 ? 'ok' : 'FAILED'} (${seconds} s)`);
  return counts;
}

/** A stage that either holds or does not; its output is shown if it does not. */
async function command(program, programArgs) {
  const { code, output } = await runChild(program, programArgs, { cwd: root });
  if (code !== 0) {
    console.log(output);
    tellAtTheEnd([program, ...programArgs].join(' '), output);
  }
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
}

async function jest(config, ...jestArgs) {
  const folder = mkdtempSync(join(tmpdir(), 'rookery-test-'));
  const file = join(folder, 'results.json');
  try {
    const { code, output } = await runChild(
      process.execPath,
      [
        '--experimental-vm-modules',
        '--disable-warning=ExperimentalWarning',
        join(root, 'node_modules/jest/bin/jest.js'),
        `--config=${config}`,
        '--json',
        `--outputFile=${file}`,
        `--openHandlesTimeout=${EXIT_GRACE_MS}`,
        `--reporters=${join(root, 'scripts/plain-reporter.mjs')}`,
        ...jestArgs,
      ],
      { cwd: root, show: true, endsAfter: { file, withinMs: EXIT_LIMIT_MS } },
    );
    return countsOf(file, code, output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function countsOf(file, code, output) {
  if (!existsSync(file)) throw new Error(`Jest ended with ${code} before it had run anything`);
  const results = JSON.parse(readFileSync(file, 'utf8'));
  const counts = {
    passed: results.numPassedTests,
    // A suite that could not be run at all has no failed test to show for it.
    failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
    skipped: results.numPendingTests + results.numTodoTests,
  };
  tellFailuresOf(results);
  const leak = LEAKS.find((pattern) => pattern.test(output));
  if (leak !== undefined) {
    const seen = `something outlived its test: ${leak.exec(output)[0]}`;
    console.log(seen);
    tellAtTheEnd('jest', seen);
    counts.failed += 1;
  } else if (code !== 0 && counts.failed === 0) {
    const seen = `Jest ended with ${code}, though no test failed`;
    console.log(seen);
    tellAtTheEnd('jest', seen);
    counts.failed = 1;
  }
  return counts;
}

function tellFailuresOf(results) {
  for (const { name, message, assertionResults } of results.testResults) {
    const suite = relative(root, name);
    const failed = assertionResults.filter(({ status }) => status === 'failed');
    for (const { fullName, failureMessages } of failed)
      tellAtTheEnd(`${suite} › ${fullName}`, failureMessages.join('\n'));
    if (failed.length === 0 && message !== '') tellAtTheEnd(suite, message);
  }
}

function tellAtTheEnd(what, said) {
  const lines = stripVTControlCharacters(said).split('\n');
  const first = lines.filter((line) => line.trim() !== '').slice(0, RECAP_LINES);
  failures.push([`failed: ${what}`, ...first.map((line) => `  | ${line}`)].join('\n'));
}

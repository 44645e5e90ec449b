/**
 * A process that holds a lease, for tests: says what it got as one line of JSON, releases at the end of its standard input.
 * Use: node holder.mjs <dataDir> [database…]
 */
import '../../../scripts/run-source.mjs';
import { once } from 'node:events';

const { holdEmbeddedPostgres } = await import('../src/index.ts');
const [, , dataDir, ...databases] = process.argv;
try {
  const { release, ...server } = await holdEmbeddedPostgres({
    dataDir,
    databases,
    settings: { fsync: 'off' },
  });
  process.stdout.write(`${JSON.stringify(server)}\n`);
  process.stdin.resume();
  await once(process.stdin, 'end');
  await release();
} catch (error) {
  process.stdout.write(`${JSON.stringify({ code: error.code, message: error.message })}\n`);
}

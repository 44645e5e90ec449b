// node test/invariants/through-nginx.mjs [--seconds N] [--rate N] [fault…]
// Starts the site as `npm run cluster -- --replicas 3 --shards 4 --kafka --redis` does, uses it through Nginx while it goes
// through faults, and prints what became of the requests, of the writes that were acknowledged and of their events. Ends with
// 1 if anything was lost, did not come back by itself, or failed that need not. `--seconds` is how long what is away is away.
import '../../scripts/run-source.mjs';
import { parseArgs } from 'node:util';
import { provide } from '../../scripts/system-programs.mjs';

const { EdgeStand } = await import('./through-nginx/stand.ts');
const { faults } = await import('./through-nginx/every-fault.ts');
const { headerOfTable, rowOfTable, wrongIn } = await import('./through-nginx/report.ts');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '10' }, rate: { type: 'string', default: '1' } },
});
const known = faults.map(({ name }) => name);
const isRight = Number(values.seconds) > 0 && Number(values.rate) > 0;
if (!isRight || positionals.some((name) => !known.includes(name))) {
  process.stderr.write(
    `node test/invariants/through-nginx.mjs [--seconds N] [--rate N] [fault…]\nfaults: ${known.join(', ')}\n`,
  );
  process.exit(2);
}

await provide(['nginx', 'etcd', 'redis', 'kafka']);
const wrong = [];
const stand = await EdgeStand.start({
  awayMs: Number(values.seconds) * 1_000,
  frozenMs: 5_000,
  rate: Number(values.rate),
});
try {
  process.stdout.write(`${headerOfTable()}\n`);
  for (const fault of faults) {
    if (positionals.length > 0 && !positionals.includes(fault.name)) continue;
    try {
      const report = await stand.run(fault);
      process.stdout.write(`${rowOfTable(report)}\n`);
      wrong.push(...wrongIn(report));
    } catch (error) {
      process.stdout.write(`${fault.name}: could not be tried: ${error.message}\n`);
      wrong.push(`${fault.name}: ${error.message}`);
    }
  }
  wrong.push(...(await stand.lost()).map((line) => `at the end: ${line}`));
} finally {
  await stand.stop();
}
if (wrong.length > 0) {
  process.stderr.write(`${wrong.join('\n')}\n`);
  process.exitCode = 1;
}

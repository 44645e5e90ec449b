// node test/invariants/faults.mjs [--transport log|kafka] [--seconds N] [fault…]
// Puts a site of some replicas through faults and prints what became of the events that were written meanwhile. Ends with 1
// if any was lost, applied twice or applied out of order. `--seconds` is how long `transaction-open` holds its transaction.
import '../../scripts/run-source.mjs';
import { parseArgs } from 'node:util';
import { provide } from '../../scripts/system-programs.mjs';

const { Stand } = await import('./stand.ts');
const { faultsOver } = await import('./every-fault.ts');
const { headerOfTable, rowOfTable } = await import('./table.ts');
const { wrongIn } = await import('@rookery/events/testing');

const TRANSPORTS = ['log', 'kafka'];
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { transport: { type: 'string', multiple: true }, seconds: { type: 'string', default: '10' } },
});
const transports = values.transport ?? TRANSPORTS;
const known = new Set(TRANSPORTS.flatMap((transport) => faultsOver(transport).map(({ name }) => name)));
const unknown = [
  ...transports.filter((name) => !TRANSPORTS.includes(name)),
  ...positionals.filter((name) => !known.has(name)),
];
if (unknown.length > 0 || !(Number(values.seconds) > 0)) {
  process.stderr.write(
    `node test/invariants/faults.mjs [--transport log|kafka] [--seconds N] [fault…]\nfaults: ${[...known].join(', ')}\n`,
  );
  process.exit(2);
}

if (transports.includes('kafka')) await provide(['kafka']);
const wrong = [];
process.stdout.write(`${headerOfTable()}\n`);
for (const transport of transports) {
  const stand = await Stand.start({ transport, openTransactionMs: Number(values.seconds) * 1_000 });
  try {
    for (const fault of faultsOver(transport)) {
      if (positionals.length > 0 && !positionals.includes(fault.name)) continue;
      const report = await stand.run(fault).catch((error) => wrong.push(`${fault.name}: ${error.message}`));
      if (typeof report === 'number') continue;
      process.stdout.write(`${rowOfTable(transport, report)}\n`);
      const said = wrongIn(report);
      if (said !== '') wrong.push(said);
    }
  } finally {
    await stand.stop();
  }
}
if (wrong.length > 0) {
  process.stderr.write(`${wrong.join('\n')}\n`);
  process.exitCode = 1;
}

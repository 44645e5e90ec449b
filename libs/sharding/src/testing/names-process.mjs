// A process that changes names, many at once, until it kills itself at a step of one of them.
// Arguments: what it calls itself, lease in milliseconds, number of names, URLs of the shards. Writes a dot per change.
import '../../../../scripts/run-source.mjs';

const [applicationName, lease, names, ...urls] = process.argv.slice(2);
const { Shards } = await import('../shards.ts');
const { things } = await import('./thing.ts');
const { anyChange } = await import('./busy-with-names.ts');
const { STEADY } = await import('./time.ts');

const shards = new Shards({
  ...STEADY,
  applicationName,
  shards: urls.map((url) => ({ url })),
  migrations: [things],
});
await shards.start();
shards.directory.leaseMs = Number(lease);
shards.directory.onStep = () => {
  if (Math.random() < 0.006) process.kill(process.pid, 'SIGKILL');
};
const known = async () => (await shards.scatter({ text: 'SELECT id, name FROM thing' })).flat();
const worker = async () => {
  for (;;) {
    await anyChange(shards, Number(names), await known());
    process.stdout.write('.');
  }
};
await Promise.all(Array.from({ length: 12 }, worker));

import { pathToFileURL } from 'node:url';

/**
 * The process of the site. It loads the packages named on its command line, which is most of what a start costs, and then the
 * site itself when it is told to: a restart finds such a process waiting.
 *
 * When the supervisor dies without a word (kill -9), the channel to it closes, and the site stops in order instead of
 * staying behind on its port.
 */
const parent = process.ppid;
process.once('disconnect', () => {
  // The channel closes while the supervisor is still dying: until it has died, its lease on PostgreSQL looks alive, and
  // the site would leave PostgreSQL to it.
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 20);
});

const [, , vendors, ...args] = process.argv;
let entry;
const told = new Promise((resolve) => process.once('message', resolve)).then((message) => (entry = message));
for (const vendor of JSON.parse(vendors)) {
  if (entry !== undefined) break;
  // A package that does not load says so when the site imports it.
  await import(vendor).catch(() => undefined);
}
await told;
process.channel?.unref();
process.argv.splice(1, process.argv.length - 1, entry, ...args);
await import(pathToFileURL(entry).href);

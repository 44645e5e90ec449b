// A process that is a replica whenever its parent says so: of the site in a `ReplicaSetup`, handling the recorder's groups,
// until it is told to rest, or gets SIGTERM. What it is told it confirms; warnings go to standard error.
import '../../scripts/run-source.mjs';
import { once } from 'node:events';

const { Shards } = await import('@rookery/sharding');
const { eventsSchema } = await import('@rookery/events');
const { RecorderReplica, recorderSchema } = await import('@rookery/events/testing');

const onWarning = (message, error) => process.stderr.write(`${message}: ${error?.message ?? ''}\n`);
let shards;
let replica;

async function serve({ urls, poolMax, options, internals }) {
  const targets = urls.map((url) => ({ url }));
  shards = new Shards({ shards: targets, migrations: [...eventsSchema, recorderSchema], poolMax, onWarning });
  await shards.start();
  // Another name each time: no two of a site have the same.
  const replicaId = `replica-${process.pid}-${performance.now().toFixed(0)}`;
  replica = new RecorderReplica(shards, { ...options, replicaId, onWarning }, internals);
  await replica.events.start();
}

async function rest() {
  await replica?.events.stop();
  await shards?.close();
}

async function hear({ setup, wrong, resting }) {
  if (wrong) replica.misbehave(wrong);
  if (setup) await serve(setup);
  if (resting) await rest();
  process.send('done');
}

process.on('message', (message) => void hear(message));
process.send('done');
await once(process, 'SIGTERM');
await rest();
process.disconnect();

// A replica whose handler kills it: to be started again and again. Arguments: key that kills, URLs of the shards.
import '../../../../scripts/run-source.mjs';

const [killer, ...urls] = process.argv.slice(2);
const { Shards } = await import('@rookery/sharding');
const { z } = await import('zod');
const { defineEvent } = await import('../definition/define-event.ts');
const { eventsSchema } = await import('../events.schema.ts');
const { handling, testEvents } = await import('./test-events.ts');

const schema = z.object({ key: z.string(), n: z.number() });
const said = defineEvent({ type: 'talk.said', key: ({ key }) => key, schema });
const shards = new Shards({
  shards: urls.map((url) => ({ url })),
  migrations: [...eventsSchema, ...JSON.parse(process.env.MIGRATIONS)],
});
await shards.start();
const kill = async ({ data }) => {
  if (data.key === killer) process.kill(process.pid, 'SIGKILL');
};
const events = testEvents(shards, [handling(said, { group: 'notes' }, kill)], { leaseMs: 200 });
await events.start();
process.stdout.write('started\n');

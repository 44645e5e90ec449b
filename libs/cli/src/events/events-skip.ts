import { skipParked } from '@rookery/events';
import type { CliCommand } from '../cli.options.js';
import type { ShardedSite } from '../sharded-site.js';
import { count } from '../terminal/figures.js';
import { UsageFault } from '../usage-fault.js';
import { withShards } from '../with-shards.js';
import { eventId } from './event-id.js';

/** `rookery events skip <group> --id id`: lets a key go on without an event. */
export const eventsSkip: CliCommand<ShardedSite> = {
  path: ['events', 'skip'],
  args: '<group>',
  summary: 'let the events behind a parked one go on without it',
  flags: [{ flags: '--id <event id>', summary: 'which one' }],
  help: `The event is not handled, and kept for the record. \`rookery events replay <group> --id <event id>\` takes it up after all.`,
  async run({ args, flags, json, output, open }) {
    const { group } = args as { group: string };
    if (typeof flags['id'] !== 'string') throw new UsageFault('say which: --id <event id>');
    const id = eventId(flags['id']);
    const site = await open();
    const skipped = await withShards(site, 'rookery events skip', (shards) => skipParked(shards, group, id));
    if (json) output.json(skipped);
    else {
      const { type, key, behind } = skipped;
      const rest =
        behind > 0 ? `; ${count(behind, 'event')} of its key ${behind === 1 ? 'goes' : 'go'} on` : '';
      output.print(`${output.paint('green', '✓')} skipped ${type} of ${key} in ${group}${rest}`);
    }
  },
};

import { parkedHeads, parkedInFull } from '@rookery/events';
import type { CliCommand } from '../cli.options.js';
import type { ShardedSite } from '../sharded-site.js';
import { withShards } from '../with-shards.js';
import { eventId } from './event-id.js';
import { inFullJson, printParked, printParkedInFull } from './print-parked.js';

/** What fits on one screen, with what to do about it. */
const SCREEN = 6;
const MOST = 10_000;

/** `rookery events parked [group]`: what failed, and what waits behind it. */
export const eventsParked: CliCommand<ShardedSite> = {
  path: ['events', 'parked'],
  args: '[group]',
  summary: 'show events that failed, and how many of their key wait behind them',
  flags: [
    {
      flags: '--show <event id>',
      summary: 'one of them in full: data, headers, error with its stack and causes',
    },
    { flags: '--all', summary: 'all of them, not only what fits on a screen' },
  ],
  help: `An event that fails is tried again in place; then it is parked, and all later events of its key queue behind it,
while other keys flow.

States:
  waiting  is tried again by itself
  held     has been tried as often as it is worth: it waits until somebody says replay or skip`,
  async run({ args: { group }, flags, json, output, open }) {
    const id = typeof flags['show'] === 'string' ? eventId(flags['show']) : undefined;
    const site = await open();
    await withShards(site, 'rookery events parked', async (shards) => {
      if (id !== undefined) {
        const found = await parkedInFull(shards, id, group);
        if (json) output.json({ events: found.map(inFullJson) });
        else found.forEach((event, i) => printParkedInFull(event, i > 0, output));
        return;
      }
      const all = flags['all'] === true || json;
      const list = await parkedHeads(shards, group, all ? MOST : SCREEN);
      if (json) output.json(list);
      else printParked(list, group, output);
    });
  },
};

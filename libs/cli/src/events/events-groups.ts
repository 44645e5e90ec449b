import { forgetGroup, groupsOnShard, parkedHeads } from '@rookery/events';
import type { Shards } from '@rookery/sharding';
import type { CliCommand, CommandCall } from '../cli.options.js';
import type { ShardedSite } from '../sharded-site.js';
import { count } from '../terminal/figures.js';
import { withShards } from '../with-shards.js';
import { mergeGroups } from './merge-groups.js';
import { printGroups } from './print-groups.js';

/** `rookery events groups`: who reads the logs, and how far each group is. */
export const eventsGroups: CliCommand<ShardedSite> = {
  path: ['events', 'groups'],
  summary: 'show who handles events, how far each group is behind, and what is parked',
  flags: [
    { flags: '--shards', summary: 'a line for each shard, too' },
    { flags: '--forget <group>', summary: 'remove a group that no code has any more' },
    { flags: '--yes', summary: 'forget it with the events that are parked in it' },
  ],
  help: `Columns:
  lanes     parts of the log that a replica has taken, of all there are: 16 on each shard
  replicas  that handle the group now
  behind    events that the group has not passed yet, counted up to 10,000; "≤" where no replica says what it handles
  oldest    age of the oldest of them
  parked    keys that wait for an event that failed · events in all · of those held until somebody says replay or skip

--forget refuses while a replica handles the group. What it has applied is remembered for as long as the log is kept: were
it to come back, it would not apply that again.

Ends with code 1 if a shard does not answer.`,
  async run(call) {
    const site = await call.open();
    return withShards(site, 'rookery events groups', async (shards) => {
      const group = call.flags['forget'];
      return typeof group === 'string' ? forget(shards, group, call) : show(shards, call);
    });
  },
};

async function show(shards: Shards, { flags, json, output }: CommandCall<ShardedSite>): Promise<number> {
  const states = shards.status();
  const away = states.filter(({ state }) => state === 'down');
  const answering = states.filter(({ state }) => state === 'up').map(({ shard }) => shard);
  const parts = await Promise.all(answering.map((shard) => groupsOnShard(shards, shard)));
  const groups = mergeGroups(parts.flat());
  if (json) output.json({ groups, away: away.map(({ shard }) => shard) });
  else {
    printGroups(groups, flags['shards'] === true, output);
    for (const { shard, trouble } of away) {
      output.print(`\n${output.paint('red', `${shard} does not answer:`)} ${trouble || 'no answer'}`);
    }
  }
  return away.length > 0 ? 1 : 0;
}

async function forget(
  shards: Shards,
  group: string,
  { flags, json, output }: CommandCall<ShardedSite>,
): Promise<number> {
  const { keys } = await parkedHeads(shards, group, 1);
  if (keys > 0 && flags['yes'] !== true) {
    throw new Error(
      `${count(keys, 'key')} of ${group} ${keys === 1 ? 'is' : 'are'} parked: look with \`rookery events parked ${group}\`, or add --yes to forget them, too`,
    );
  }
  const forgotten = await forgetGroup(shards, group);
  if (json) output.json(forgotten);
  else {
    const events = forgotten.parked === 0 ? '' : `, and ${count(forgotten.parked, 'parked event')} with it`;
    output.print(`${output.paint('green', '✓')} forgot ${group} on ${forgotten.shards.join(', ')}${events}`);
  }
  return 0;
}

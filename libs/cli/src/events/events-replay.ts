import {
  chosenHeads,
  extentOfReplay,
  replayFrom,
  replayParked,
  type ParkedChoice,
  type ParkedHead,
} from '@rookery/events';
import type { Shards } from '@rookery/sharding';
import type { CliCommand, CommandCall } from '../cli.options.js';
import type { ShardedSite } from '../sharded-site.js';
import { count, whole } from '../terminal/figures.js';
import type { Output } from '../terminal/output.js';
import { table } from '../terminal/table.js';
import { UsageFault } from '../usage-fault.js';
import { withShards } from '../with-shards.js';
import { eventId } from './event-id.js';
import type { EventsSite } from './events-topics.js';

/** Where a site has Kafka, only parked events are ours to replay. */
type ReplaySite = ShardedSite & Partial<Pick<EventsSite, 'kafka'>>;

/** `rookery events replay <group>`: parked events once more, or everything since a time. */
export const eventsReplay: CliCommand<ReplaySite> = {
  path: ['events', 'replay'],
  args: '<group>',
  summary: 'try parked events again now, or have a group handle everything since a time again',
  flags: [
    { flags: '--id <event id>', summary: 'this event; of one that waits, what it waits behind' },
    { flags: '--key <key>', summary: 'what is parked of this key' },
    { flags: '--all', summary: 'all that is parked in the group' },
    {
      flags: '--from <time>',
      summary: 'everything published since, parked or not: 2026-11-22 or 2026-11-22T10:30:00Z',
    },
    { flags: '--dry-run', summary: 'show what it would do, and change nothing' },
    { flags: '--yes', summary: 'with --from: effects are had again, and that is meant' },
  ],
  help: `Parked events are due again at once, as if they had not been tried before: the first of each key, then what waits
behind it. A replica takes them up within a second.

--from sends the group back in the log, and forgets what it has applied since: its handlers see those events again, in
order, and have their effects a second time. Make sure that they replace what they wrote rather than add to it. The
replicas of the group let go of it first, which takes some seconds; ended half-way it loses nothing, and may be run again.
Where handlers consume Kafka it is refused: such a site goes over to the log for it, and back.`,
  async run(call) {
    const { group } = call.args as { group: string };
    const from = call.flags['from'];
    const choice = typeof from === 'string' ? sinceOf(from) : choiceOf(call.flags);
    const site = await call.open();
    if (choice instanceof Date && site.kafka !== undefined) {
      throw new UsageFault(
        `the handlers of this site consume Kafka, and do not read the log, which is what --from sends them back in. The way around: deploy the site without Kafka, replay, wait until \`rookery events groups\` shows nothing behind, and deploy it with Kafka again (docs/guides/events.md, "Handle the past again")`,
      );
    }
    await withShards(site, 'rookery events replay', (shards) =>
      choice instanceof Date
        ? everythingSince(shards, group, choice, call)
        : parkedOnes(shards, group, choice, call),
    );
  },
};

function choiceOf({ id, key, all }: Readonly<Record<string, unknown>>): ParkedChoice {
  const choices: ParkedChoice[] = [];
  if (typeof id === 'string') choices.push({ id: eventId(id) });
  if (typeof key === 'string') choices.push({ key });
  if (all === true) choices.push('all');
  const [choice, other] = choices;
  if (choice === undefined || other !== undefined) {
    throw new UsageFault('say which: one of --id, --key, --all and --from');
  }
  return choice;
}

/** ISO 8601 only: what else a date might be read from is read differently in other places. */
function sinceOf(text: string): Date {
  const at = new Date(text);
  if (
    !/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text) ||
    Number.isNaN(at.getTime())
  ) {
    throw new UsageFault(`${text} is no time: 2026-11-22 (UTC), or 2026-11-22T10:30:00Z`);
  }
  return at;
}

async function parkedOnes(
  shards: Shards,
  group: string,
  choice: ParkedChoice,
  { flags, json, output }: CommandCall<ReplaySite>,
): Promise<void> {
  const dryRun = flags['dryRun'] === true;
  const heads = dryRun ? await chosenHeads(shards, group, choice) : await replayParked(shards, group, choice);
  if (json) {
    output.json({ dryRun, events: heads });
    return;
  }
  if (heads.length === 0) {
    output.print(`nothing is parked in ${group}`);
    return;
  }
  printHeads(heads, output);
  const behind = heads.reduce((sum, head) => sum + head.behind, 0);
  const what = `${count(heads.length, 'event')}${behind > 0 ? `, then ${count(behind, 'event')} behind` : ''}`;
  if (typeof choice === 'object' && 'id' in choice && heads[0]!.id !== choice.id) {
    output.print(`\n${choice.id} waits behind ${heads[0]!.id}: that one goes first`);
  }
  output.print(
    dryRun
      ? `\nwould try again: ${what}; nothing was changed`
      : `\n${output.paint('green', '✓')} due again now: ${what}`,
  );
}

function printHeads(heads: readonly ParkedHead[], output: Output): void {
  const rows = heads.map(({ shard, state, type, id, attempts, behind }) => [
    shard,
    state,
    type,
    id,
    String(attempts),
    String(behind),
  ]);
  const [head, ...lines] = table(
    [
      { title: 'shard' },
      { title: 'state' },
      { title: 'type' },
      { title: 'event' },
      { title: 'tries', align: 'right' },
      { title: 'behind', align: 'right' },
    ],
    rows,
  );
  output.print(output.paint('dim', head!));
  for (const line of lines) output.print(line);
}

async function everythingSince(
  shards: Shards,
  group: string,
  from: Date,
  { flags, json, output, progress }: CommandCall<ReplaySite>,
): Promise<void> {
  for (const other of ['id', 'key', 'all']) {
    if (flags[other] !== undefined) throw new UsageFault(`--from and --${other} do not go together`);
  }
  const extents = await extentOfReplay(shards, group, from);
  const events = extents.reduce((sum, extent) => sum + extent.events, 0);
  const short = extents.filter(({ logSince }) => logSince !== null && logSince > from);
  if (flags['dryRun'] === true) {
    if (json) output.json({ dryRun: true, from, shards: extents });
    else {
      for (const extent of extents) output.print(`${extent.shard}  ${count(extent.events, 'event')}`);
      for (const { shard, logSince } of short)
        output.print(`! the log of ${shard} begins at ${logSince!.toISOString()}`);
      output.print(`\n${group} would handle ${count(events, 'event')} again; nothing was changed`);
    }
    return;
  }
  if (flags['yes'] !== true) {
    throw new Error(
      `${group} would handle ${count(events, 'event')} once more, effects included: look with --dry-run, or add --yes if that is meant`,
    );
  }
  const done = await replayFrom(shards, group, from, { onProgress: (line) => progress.say(line) });
  if (json) {
    output.json({ dryRun: false, from, shards: done });
    return;
  }
  for (const { shard, behind, forgotten, unparked } of done) {
    const what =
      behind === null
        ? 'nothing was published since'
        : `begins behind number ${whole(Number(behind))}; ${count(forgotten, 'effect')} forgotten, ${whole(unparked)} unparked`;
    output.print(`${shard}  ${what}`);
  }
  output.print(
    `\n${output.paint('green', '✓')} ${group} handles ${count(events, 'event')} again: watch it with \`rookery events groups\``,
  );
}

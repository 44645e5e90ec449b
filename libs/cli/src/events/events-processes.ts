import {
  countProcesses,
  parkedUnderKeys,
  processesOfId,
  processesOnShard,
  type ProcessState,
} from '@rookery/events';
import type { Shards } from '@rookery/sharding';
import type { CliCommand, CommandCall } from '../cli.options.js';
import type { ShardedSite } from '../sharded-site.js';
import { UsageFault } from '../usage-fault.js';
import { withShards } from '../with-shards.js';
import { printProcesses, printProcessInFull, SCREEN } from './print-processes.js';

const STATES: readonly ProcessState[] = ['running', 'timed-out', 'compensating', 'failed', 'completed'];
const MOST = 10_000;
const UNITS = { s: 1_000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `rookery events processes`: what is under way over several steps, and what was given up. */
export const eventsProcesses: CliCommand<ShardedSite> = {
  path: ['events', 'processes'],
  summary: 'show processes of several steps: under way, out of time, undoing what they did, or given up',
  flags: [
    { flags: '--process <name>', summary: 'those of this name' },
    { flags: '--state <state>', summary: `one of ${STATES.join(', ')}` },
    { flags: '--older-than <time>', summary: 'begun longer ago than 90s, 10m, 2h or 3d' },
    { flags: '--show <id>', summary: 'one of them in full, in whatever state it is' },
    { flags: '--all', summary: 'all of them, not only what fits on a screen' },
  ],
  help: `States:
  running       is in one of its steps
  timed-out     its step has taken too long, and its timeout has yet to be handled
  compensating  is undoing what it did
  failed        was given up; remembered for as long as one that has completed
  completed     has done what it was for; shown only if --state says so

Columns:
  step     changes since it began, that included
  age      since it began
  still    since its last change
  timeout  when its step has taken too long
  why      the event of its key that is parked, or the reason it gave for ending or undoing

Ended ones are dropped once no event may come again that would begin them anew: after a week, unless the site says longer.

Ends with code 1 if a shard does not answer.`,
  async run(call) {
    const { flags } = call;
    const filter = {
      process: typeof flags['process'] === 'string' ? flags['process'] : undefined,
      states: typeof flags['state'] === 'string' ? [stateOf(flags['state'])] : undefined,
      olderThanMs: typeof flags['olderThan'] === 'string' ? timeOf(flags['olderThan']) : 0,
    };
    const site = await call.open();
    return withShards(site, 'rookery events processes', (shards) =>
      typeof flags['show'] === 'string' ? inFull(shards, flags['show'], call) : list(shards, filter, call),
    );
  },
};

interface Filter {
  readonly process: string | undefined;
  readonly states: readonly ProcessState[] | undefined;
  readonly olderThanMs: number;
}

function stateOf(text: string): ProcessState {
  const state = STATES.find((one) => one === text);
  if (!state) throw new UsageFault(`${text} is no state: ${STATES.join(', ')}`);
  return state;
}

function timeOf(text: string): number {
  const [, figure, unit] = /^(\d+(?:\.\d+)?)(s|m|min|h|d)$/.exec(text) ?? [];
  if (figure === undefined) throw new UsageFault(`${text} is no time: 90s, 10m, 2h or 3d`);
  return Number(figure) * UNITS[unit as keyof typeof UNITS];
}

async function list(
  shards: Shards,
  { states, ...filter }: Filter,
  { flags, json, output }: CommandCall<ShardedSite>,
): Promise<number> {
  const standing = shards.status();
  const away = standing.filter(({ state }) => state === 'down');
  const answering = standing.filter(({ state }) => state === 'up').map(({ shard }) => shard);
  const most = flags['all'] === true || json ? MOST : SCREEN;
  const [found, counts] = await Promise.all([
    Promise.all(
      answering.map((shard) =>
        processesOnShard(shards, shard, { ...filter, ...(states ? { states } : {}), most: most + 1 }),
      ),
    ),
    Promise.all(answering.map((shard) => countProcesses(shards, shard))),
  ]);
  const oldestFirst = found.flat().sort((a, b) => a.startedAt.getTime() - b.startedAt.getTime());
  const processes = oldestFirst.slice(0, most);
  const keys = [...new Set(processes.map(({ id }) => id))];
  const parked = (await Promise.all(answering.map((shard) => parkedUnderKeys(shards, shard, keys)))).flat();
  const more = oldestFirst.length > most;
  const all = counts
    .flat()
    .filter(({ process }) => filter.process === undefined || process === filter.process);
  if (json) output.json({ counts: all, processes, more, parked, away: away.map(({ shard }) => shard) });
  else {
    printProcesses({ counts: all, processes, more, parked }, output);
    for (const { shard, trouble } of away) {
      output.print(`\n${output.paint('red', `${shard} does not answer:`)} ${trouble || 'no answer'}`);
    }
  }
  return away.length > 0 ? 1 : 0;
}

async function inFull(
  shards: Shards,
  id: string,
  { json, output }: CommandCall<ShardedSite>,
): Promise<number> {
  const processes = await processesOfId(shards, id);
  const parked = (
    await Promise.all(shards.shardNames.map((shard) => parkedUnderKeys(shards, shard, [id])))
  ).flat();
  if (json) output.json({ processes, parked });
  else processes.forEach((process, i) => printProcessInFull(process, parked, i > 0, output));
  return 0;
}

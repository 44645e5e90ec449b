import type { GroupOnShard } from '@rookery/events';
import { count, duration, whole } from '../terminal/figures.js';
import type { Output } from '../terminal/output.js';
import { table } from '../terminal/table.js';
import type { GroupReport } from './merge-groups.js';

const UNKNOWN = '–';
type Standing = Pick<GroupOnShard, 'lanes' | 'replicas' | 'behind' | 'parked'>;

/** The groups as one table, and what of it wants somebody's attention. */
export function printGroups(groups: readonly GroupReport[], byShard: boolean, output: Output): void {
  if (groups.length === 0) {
    output.print('no group yet: one appears once a replica that handles events has started');
    return;
  }
  const rows = groups.flatMap((group) => [
    [group.group, ...(byShard ? ['all'] : []), ...cells(group, output)],
    ...(byShard ? group.shards.map((part) => ['', part.shard, ...cells(part, output)]) : []),
  ]);
  const right = (title: string) => ({ title, align: 'right' as const });
  const [head, ...lines] = table(
    [
      { title: 'group' },
      ...(byShard ? [{ title: 'shard' }] : []),
      right('lanes'),
      right('replicas'),
      right('behind'),
      right('oldest'),
      right('parked: keys'),
      right('events'),
      right('held'),
    ],
    rows,
  );
  output.print(output.paint('dim', head!));
  for (const line of lines) output.print(line);
  const notes = groups.flatMap(notesOn);
  if (notes.length > 0) output.print();
  for (const note of notes) output.print(`${output.paint('yellow', '!')} ${note}`);
}

function cells({ lanes, replicas, behind, parked }: Standing, output: Output): string[] {
  const all = lanes ? lanes.owned + lanes.free : 0;
  const taken = lanes ? `${lanes.owned}/${all}` : UNKNOWN;
  return [
    lanes && lanes.free > 0 ? output.paint('yellow', taken) : taken,
    lanes ? String(replicas.length) : UNKNOWN,
    behind
      ? `${behind.typesKnown || behind.events === 0 ? '' : '≤'}${whole(behind.events)}${behind.more ? '+' : ''}`
      : UNKNOWN,
    behind === null || behind.oldestMs === null ? UNKNOWN : duration(behind.oldestMs),
    figure(parked.keys, 'yellow', output),
    figure(parked.events, 'yellow', output),
    figure(parked.held, 'red', output),
  ];
}

function figure(value: number, colour: 'yellow' | 'red', output: Output): string {
  return value === 0 ? '0' : output.paint(colour, whole(value));
}

function notesOn({ group, lanes, replicas, parked }: GroupReport): string[] {
  const notes: string[] = [];
  if (lanes && replicas.length === 0) {
    notes.push(
      `nobody handles ${group}: start a replica, or \`rookery events groups --forget ${group}\` if no code has it any more`,
    );
  } else if (lanes && lanes.free > 0) {
    notes.push(
      `${count(lanes.free, 'lane')} of ${group} ${lanes.free === 1 ? 'is' : 'are'} free: a replica takes them within seconds`,
    );
  }
  if (parked.keys > 0) notes.push(`look at what is parked: \`rookery events parked ${group}\``);
  return notes;
}

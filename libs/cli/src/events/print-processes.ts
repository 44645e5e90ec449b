import type { ParkedUnderKey, ProcessCount, ProcessOnShard } from '@rookery/events';
import { duration, whole } from '../terminal/figures.js';
import type { Output } from '../terminal/output.js';
import { table } from '../terminal/table.js';

/** What fits on one screen, with what to do about it. */
export const SCREEN = 15;
const WHY_LENGTH = 60;
const COLOURS = {
  running: 'green',
  'timed-out': 'yellow',
  compensating: 'yellow',
  failed: 'red',
  completed: 'dim',
} as const;

export interface ProcessList {
  readonly counts: readonly ProcessCount[];
  readonly processes: readonly ProcessOnShard[];
  /** Whether there are more than these. */
  readonly more: boolean;
  /** Events that are parked under the processes' ids. */
  readonly parked: readonly ParkedUnderKey[];
}

/** The processes as one table, how many there are of each, and what to type next. */
export function printProcesses({ counts, processes, more, parked }: ProcessList, output: Output): void {
  for (const line of totals(counts)) output.print(line);
  if (processes.length === 0) {
    output.print(counts.length === 0 ? 'no process is under way' : '\nnone of them is as was asked for');
    return;
  }
  const right = (title: string) => ({ title, align: 'right' as const });
  const rows = processes.map((process) => [
    process.shard,
    process.process,
    process.id,
    painted(process, output),
    String(process.turn),
    duration(since(process.startedAt)),
    duration(since(process.changedAt)),
    timeout(process),
    cut(why(process, parked), WHY_LENGTH),
  ]);
  const [head, ...lines] = table(
    [
      { title: 'shard' },
      { title: 'process' },
      { title: 'id' },
      { title: 'state' },
      right('step'),
      right('age'),
      right('still'),
      { title: 'timeout' },
      { title: 'why' },
    ],
    rows,
  );
  if (counts.length > 0) output.print();
  output.print(output.paint('dim', head!));
  for (const line of lines) output.print(line);
  if (more) output.print(`\n${output.paint('dim', '… and more, begun later: --all shows them')}`);
  next(processes, parked, output);
}

/** All there is to know of one. */
export function printProcessInFull(
  process: ProcessOnShard,
  parked: readonly ParkedUnderKey[],
  another: boolean,
  output: Output,
): void {
  if (another) output.print(`\n${'─'.repeat(Math.min(output.columns, 80))}\n`);
  const { process: name, id, shard, slot, turn, reason, startedAt, changedAt, state } = process;
  const lines: [string, string][] = [
    ['process', `${output.paint('bold', name)}  ${id}`],
    ['where', `${shard}, slot ${slot}`],
    ['state', `${painted(process, output)} · step ${turn} · timeout ${timeout(process)}`],
    ['began', moment(startedAt)],
    ['changed', moment(changedAt)],
    ...(reason === null ? [] : [['reason', reason] as [string, string]]),
    ...parked
      .filter(({ key }) => key === id)
      .map((one): [string, string] => [one.state, `${one.type} ${one.id} in ${one.group}: ${errorOf(one)}`]),
  ];
  for (const [title, value] of lines) output.print(`${output.paint('dim', title.padEnd(10))}${value}`);
  output.print(`\n${output.paint('bold', 'memory')}\n${JSON.stringify(state, undefined, 2)}`);
  next([process], parked, output, true);
}

/** A line for each process that there is; states in the order in which they happen. */
function totals(counts: readonly ProcessCount[]): string[] {
  return [...new Set(counts.map(({ process }) => process))].sort().map((process) => {
    const parts = (['running', 'compensating', 'failed'] as const).flatMap((status) => {
      const total = counts
        .filter((one) => one.process === process && one.status === status)
        .reduce((sum, one) => sum + one.count, 0);
      return total > 0 ? [`${whole(total)} ${status}`] : [];
    });
    return `${process}: ${parts.join(', ')}`;
  });
}

function painted({ status, timedOut }: ProcessOnShard, output: Output): string {
  const state = timedOut && status === 'running' ? 'timed-out' : status;
  return output.paint(COLOURS[state], state);
}

function timeout({ status, dueAt, timedOut }: ProcessOnShard): string {
  if (dueAt === null || status === 'completed' || status === 'failed') return '–';
  return timedOut ? `${duration(since(dueAt))} ago` : `in ${duration(dueAt.getTime() - Date.now())}`;
}

/** What is parked under its id comes first: that can be mended. */
function why({ id, reason, status }: ProcessOnShard, parked: readonly ParkedUnderKey[]): string {
  if (status === 'completed') return '';
  const held = parked.find(({ key }) => key === id);
  return held ? `${held.state} in ${held.group}: ${errorOf(held)}` : (reason ?? '');
}

function errorOf({ type, error }: ParkedUnderKey): string {
  return error ?? type;
}

/** A command for the first of each kind that somebody has to look at. */
function next(
  processes: readonly ProcessOnShard[],
  parked: readonly ParkedUnderKey[],
  output: Output,
  inFull = false,
): void {
  const commands: (readonly [command: string, why: string])[] = [];
  const open = processes.filter(({ status }) => status !== 'completed');
  const heldUp = open.flatMap(({ id }) => parked.find(({ key }) => key === id) ?? [])[0];
  if (heldUp) {
    const { state, id, group } = heldUp;
    if (state !== 'skipped')
      commands.push([`rookery events parked --show ${id}`, 'the event that holds it up']);
    commands.push([
      `rookery events replay ${group} --id ${id}`,
      state === 'skipped' ? 'take up the step that was skipped' : 'try that event again now',
    ]);
  }
  const isHeldUp = (id: string): boolean => parked.some(({ key }) => key === id);
  if (open.some(({ timedOut, id }) => timedOut && !isHeldUp(id))) {
    commands.push(['rookery events groups', 'is the group that handles its timeout there, and not behind?']);
  }
  const [first] = open.filter(({ status, timedOut }) => status !== 'running' || timedOut);
  if (first && !inFull) commands.push([`rookery events processes --show ${first.id}`, 'the whole of it']);
  if (commands.length === 0) return;
  output.print();
  const width = Math.max(...commands.map(([command]) => command.length));
  for (const [command, what] of commands) {
    output.print(`${output.paint('cyan', command.padEnd(width))}  ${output.paint('dim', what)}`);
  }
}

function since(at: Date): number {
  return Math.max(0, Date.now() - at.getTime());
}

function moment(at: Date): string {
  return `${at.toISOString().replace('T', ' ').slice(0, 19)} UTC, ${duration(since(at))} ago`;
}

function cut(text: string, most: number): string {
  const letters = [...text];
  return letters.length <= most ? text : `${letters.slice(0, most - 1).join('')}…`;
}

import type { ParkedHead, ParkedInFull, ParkedList } from '@rookery/events';
import { count, duration, whole } from '../terminal/figures.js';
import type { Output } from '../terminal/output.js';

const STATES = { held: 'red', waiting: 'yellow', skipped: 'dim' } as const;

/** What is parked, an entry for each key, and what to type next. */
export function printParked({ heads, keys }: ParkedList, group: string | undefined, output: Output): void {
  const [first] = heads;
  if (!first) {
    output.print(group === undefined ? 'nothing is parked' : `nothing is parked in ${group}`);
    return;
  }
  const behind = heads.reduce((sum, head) => sum + head.behind, 0);
  const waits = heads.length === keys ? `, ${count(behind, 'event')} behind them` : '';
  output.print(`${count(keys, 'key')} parked${waits}`);
  for (const head of heads) {
    output.print();
    printHead(head, output);
  }
  if (keys > heads.length) {
    const more = `… and ${count(keys - heads.length, 'more key', 'more keys')}: --all shows them`;
    output.print(`\n${output.paint('dim', more)}`);
  }
  output.print();
  next(first, output);
}

function printHead(head: ParkedHead, output: Output): void {
  const { state, group, type, id, key, attempts, failedAt, behind } = head;
  output.print(
    `${output.paint(STATES[state], state)}  ${output.paint('bold', group)}  ${type}  ${id}${key === id ? '' : output.paint('dim', `  key ${cut(key, 40)}`)}`,
  );
  const failed = failedAt ? `failed ${ago(failedAt)}, ${tries(attempts)}` : 'not tried yet';
  const facts = [failed, nextOf(head), ...(behind > 0 ? [`${count(behind, 'event')} behind it`] : [])];
  output.print(`  ${facts.join(' · ')}`);
  const error = errorOf(head);
  if (error !== undefined) output.print(`  ${cut(error, output.columns - 2)}`);
}

function next({ group, id }: ParkedHead, output: Output): void {
  const commands = [
    [`rookery events parked --show ${id}`, 'the whole of it'],
    [`rookery events replay ${group} --id ${id}`, 'try it again now'],
    [`rookery events skip ${group} --id ${id}`, 'go on without it'],
  ] as const;
  const width = Math.max(...commands.map(([command]) => command.length));
  for (const [command, why] of commands) {
    output.print(`${output.paint('cyan', command.padEnd(width))}  ${output.paint('dim', why)}`);
  }
}

/** All there is to know of one. */
export function printParkedInFull(event: ParkedInFull, another: boolean, output: Output): void {
  if (another) output.print(`\n${'─'.repeat(Math.min(output.columns, 80))}\n`);
  const { id, type, version, group, topic, key, shard, slot, position, state, attempts, failedAt, parkedAt } =
    event;
  const lines: [string, string][] = [
    ['event', `${id}  ${type}, version ${version}`],
    ['group', group],
    ['key', `${key}  in ${topic}`],
    ['where', `${shard}, slot ${slot}, position ${position}`],
    ['published', moment(event.publishedAt)],
    ['parked', moment(parkedAt)],
    [
      'state',
      `${output.paint(STATES[state], state)} · ${nextOf(event)} · ${count(event.behind, 'event')} behind it`,
    ],
    ['failed', failedAt ? `${moment(failedAt)}, ${tries(attempts)}` : 'not tried yet'],
  ];
  for (const [name, value] of lines) output.print(`${output.paint('dim', name.padEnd(10))}${value}`);
  if (event.headers) section('headers', JSON.stringify(event.headers, undefined, 2), output);
  section('data', dataOf(event.payload), output);
  if (event.errorInFull !== null) section('error', event.errorInFull, output);
  output.print();
  next(event, output);
}

/** For programs: data as it is where it is JSON, as text where it is text, else as base64. */
export function inFullJson({ payload, ...event }: ParkedInFull): object {
  const text = textOf(payload);
  if (text === undefined) return { ...event, payloadBase64: payload.toString('base64') };
  try {
    return { ...event, payload: JSON.parse(text) as unknown };
  } catch {
    return { ...event, payload: text };
  }
}

function section(title: string, text: string, output: Output): void {
  output.print(`\n${output.paint('bold', title)}\n${text}`);
}

function dataOf(payload: Buffer): string {
  const text = textOf(payload);
  if (text === undefined)
    return `${whole(payload.length)} bytes that are no text, in base64:\n${payload.toString('base64')}`;
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    return text;
  }
}

function textOf(payload: Buffer): string | undefined {
  const text = payload.toString('utf8');
  return Buffer.from(text, 'utf8').equals(payload) ? text : undefined;
}

function errorOf({ code, error }: ParkedHead): string | undefined {
  if (error === null || error === '') return code ?? undefined;
  const coded = code !== null && !error.includes(code) && !error.startsWith(code);
  return coded ? `${error} (${code})` : error;
}

function nextOf({ state, retryAt }: ParkedHead): string {
  if (state === 'held') return 'not tried again by itself';
  if (state === 'skipped') return 'skipped';
  const ms = retryAt.getTime() - Date.now();
  return ms <= 0 ? 'due now' : `next try in ${duration(ms)}`;
}

function tries(attempts: number): string {
  return attempts === 1 ? 'tried once' : `tried ${whole(attempts)} times`;
}

function ago(at: Date): string {
  return `${duration(Math.max(0, Date.now() - at.getTime()))} ago`;
}

function moment(at: Date): string {
  return `${at.toISOString().replace('T', ' ').slice(0, 19)} UTC, ${ago(at)}`;
}

function cut(text: string, most: number): string {
  const letters = [...text];
  return letters.length <= most ? text : `${letters.slice(0, Math.max(0, most - 1)).join('')}…`;
}

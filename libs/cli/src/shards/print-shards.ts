import { SLOT_COUNT } from '@rookery/kernel';
import { bar, duration, percent, whole } from '../terminal/figures.js';
import type { Output } from '../terminal/output.js';
import { table } from '../terminal/table.js';
import type { ShardReport } from './shards-status.js';
import { rangesText } from './slot-ranges.js';

const BAR = 20;
const UNKNOWN = '–';

/** The reports as tables: the shards, the rows by table, and who is connected. */
export function printShards(reports: readonly ShardReport[], exact: boolean, output: Output): void {
  printSpread(reports, exact, output);
  printTables(reports, exact, output);
  printConnections(reports, output);
  for (const { shard, trouble } of reports) {
    if (trouble !== undefined)
      output.print(`\n${output.paint('red', `${shard} does not answer:`)} ${trouble}`);
  }
}

function printSpread(reports: readonly ShardReport[], exact: boolean, output: Output): void {
  const total = reports.reduce((sum, { rows }) => sum + (rows ?? 0), 0);
  const lines = reports.map(({ shard, state, slots, closedSlots, ranges, rows, figures, epoch, lagMs }) => {
    const share = rows === null || total === 0 ? 0 : rows / total;
    return [
      shard,
      output.paint(state === 'up' ? 'green' : 'red', state),
      whole(slots),
      percent(slots / SLOT_COUNT),
      rangesText(ranges) + (closedSlots > 0 ? output.paint('yellow', ` (${closedSlots} closed)`) : ''),
      rows === null ? UNKNOWN : whole(rows),
      `${output.paint('cyan', bar(share, BAR))} ${(rows === null ? UNKNOWN : percent(share)).padStart(6)}`,
      figures ? `${figures.connections.open} of ${figures.connections.max}` : UNKNOWN,
      String(epoch),
      lagMs === null ? UNKNOWN : duration(lagMs),
    ];
  });
  show(
    table(
      [
        { title: 'shard' },
        { title: 'state' },
        { title: 'slots', align: 'right' },
        { title: '', align: 'right' },
        { title: 'which' },
        { title: exact ? 'rows' : '≈ rows', align: 'right' },
        { title: 'share' },
        { title: 'connections' },
        { title: 'epoch', align: 'right' },
        { title: 'lag', align: 'right' },
      ],
      lines,
    ),
    output,
  );
}

function printTables(reports: readonly ShardReport[], exact: boolean, output: Output): void {
  const names = [
    ...new Set(reports.flatMap(({ figures }) => figures?.tables.map(({ table }) => table) ?? [])),
  ];
  if (names.length === 0) return;
  const rows = names.map((name) => {
    const cells = reports.map(({ figures }) => figures?.tables.find(({ table }) => table === name)?.rows);
    const sum = cells.reduce<number>((all, count) => all + (count ?? 0), 0);
    return [name, ...cells.map((count) => (count === undefined ? UNKNOWN : whole(count))), whole(sum)];
  });
  output.print();
  show(
    table(
      [
        { title: exact ? 'rows by table' : '≈ rows by table' },
        ...reports.map(({ shard }) => ({ title: shard, align: 'right' as const })),
        { title: 'all', align: 'right' },
      ],
      rows,
    ),
    output,
  );
}

function printConnections(reports: readonly ShardReport[], output: Output): void {
  const rows = reports.flatMap(({ shard, figures }) =>
    (figures?.connections.applications ?? []).map(({ name, open, active }, i) => [
      i === 0 ? shard : '',
      name === '' ? '(no name)' : name,
      String(open),
      String(active),
    ]),
  );
  if (rows.length === 0) return;
  output.print();
  show(
    table(
      [
        { title: 'connections' },
        { title: 'of' },
        { title: 'open', align: 'right' },
        { title: 'active', align: 'right' },
      ],
      rows,
    ),
    output,
  );
}

function show([head, ...lines]: readonly string[], output: Output): void {
  output.print(output.paint('dim', head!));
  for (const line of lines) output.print(line);
}

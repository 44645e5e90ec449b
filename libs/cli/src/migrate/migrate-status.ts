import { Migrator, type ShardMigrationStatus } from '@rookery/sharding';
import type { CliCommand } from '../cli.options.js';
import type { ShardedSite } from '../sharded-site.js';
import type { Output } from '../terminal/output.js';
import { table } from '../terminal/table.js';
import { migratorOptions } from './migrator-options.js';

/** `rookery migrate status`: what each shard has and lacks. Changes nothing. */
export const migrateStatus: CliCommand<ShardedSite> = {
  path: ['migrate', 'status'],
  summary: 'show which migrations each shard has, lacks, or has beyond this version',
  flags: [{ flags: '--check', summary: 'end with code 1 unless every shard is up to date' }],
  help: `States:
  up to date   has all migrations of this version, and no others
  pending      lacks some: \`rookery migrate up\` applies them
  newer        has some that this version does not know: deploy a newer version of the site
  unreachable  does not answer`,
  async run({ flags, json, output, open }) {
    const { sharding } = await open();
    const shards = await new Migrator(migratorOptions(sharding)).status();
    if (json) output.json({ shards: shards.map((shard) => ({ ...shard, state: stateOf(shard) })) });
    else print(shards, output);
    return flags['check'] === true && shards.some((shard) => stateOf(shard) !== 'up to date') ? 1 : 0;
  },
};

type State = 'up to date' | 'pending' | 'newer' | 'unreachable';

export function stateOf({ reachable, pending, unknown }: ShardMigrationStatus): State {
  if (!reachable) return 'unreachable';
  if (unknown.length > 0) return 'newer';
  return pending.length > 0 ? 'pending' : 'up to date';
}

const COLOURS = { 'up to date': 'green', pending: 'yellow', newer: 'red', unreachable: 'red' } as const;

function print(shards: readonly ShardMigrationStatus[], output: Output): void {
  const rows = shards.map((shard) => {
    const state = stateOf(shard);
    const shown = output.paint(COLOURS[state], state);
    if (!shard.reachable) return [shard.shard, shown, '–', '–', '–', shard.trouble || 'no answer'];
    const last = shard.applied.at(-1);
    return [
      shard.shard,
      shown,
      String(shard.applied.length),
      String(shard.pending.length),
      String(shard.unknown.length),
      last ? `${last.id}, ${minute(last.appliedAt)}` : 'nothing yet',
    ];
  });
  const [head, ...lines] = table(
    [
      { title: 'shard' },
      { title: 'state' },
      { title: 'applied', align: 'right' },
      { title: 'pending', align: 'right' },
      { title: 'unknown', align: 'right' },
      { title: 'last' },
    ],
    rows,
  );
  output.print(output.paint('dim', head!));
  for (const line of lines) output.print(line);
  const reachable = shards.filter((shard) => shard.reachable);
  list('pending', reachable, (shard) => shard.pending, output);
  list('unknown', reachable, (shard) => shard.unknown, output);
}

/** Migrations with the shards they concern, each once. */
function list(
  what: string,
  shards: readonly ShardMigrationStatus[],
  of: (shard: ShardMigrationStatus) => readonly string[],
  output: Output,
): void {
  const ids = [...new Set(shards.flatMap(of))];
  if (ids.length === 0) return;
  output.print(`\n${what}`);
  for (const id of ids) {
    const where = shards.filter((shard) => of(shard).includes(id)).map(({ shard }) => shard);
    output.print(`  ${id}  ${output.paint('dim', where.join(', '))}`);
  }
}

function minute(at: Date): string {
  return `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

import { Migrator, type ShardMigrationStatus } from '@rookery/sharding';
import type { CliCommand } from '../cli.options.js';
import type { ShardedSite } from '../sharded-site.js';
import { duration } from '../terminal/figures.js';
import { migratorOptions } from './migrator-options.js';

/** `rookery migrate up`: brings every shard to the schema of this version. */
export const migrateUp: CliCommand<ShardedSite> = {
  path: ['migrate', 'up'],
  summary: 'apply what is missing, on every shard',
  help: `The first shard goes first and whole; the others follow one by one. What was applied stands, so a run that failed or
was ended is taken up by the next one. Replicas that run go on running; two runs at once wait for each other.`,
  async run({ json, output, open }) {
    const { sharding } = await open();
    const migrator = new Migrator(migratorOptions(sharding));
    const before = await migrator.status();
    const away = before.find(({ reachable }) => !reachable);
    if (away) throw new Error(refusal(away));
    const total = before.reduce((sum, { pending }) => sum + pending.length, 0);
    const since = performance.now();
    let done = 0;
    const steps = await migrator.up(({ shard, id, tookMs }) => {
      done += 1;
      if (json) return;
      // The database of the slot map, where it is no shard, has steps of its own that were not counted before.
      const place = output.paint('dim', `[${done}/${Math.max(total, done)}]`);
      output.print(`${place} ${shard}  ${id}  ${output.paint('dim', duration(tookMs))}`);
    });
    const tookMs = Math.round(performance.now() - since);
    if (json) output.json({ steps, tookMs });
    else if (steps.length === 0) output.print(`nothing to do: ${shardsOf(before)} up to date`);
    else {
      const what = steps.length === 1 ? '1 migration' : `${steps.length} migrations`;
      output.print(
        `${output.paint('green', '✓')} applied ${what} in ${duration(tookMs)}: ${shardsOf(before)} up to date`,
      );
    }
  },
};

function refusal({ shard, trouble }: ShardMigrationStatus): string {
  return `shard ${shard} does not answer (${trouble || 'no answer'}): all shards are needed, and nothing was changed`;
}

function shardsOf(shards: readonly ShardMigrationStatus[]): string {
  return shards.length === 1 ? '1 shard is' : `${shards.length} shards are`;
}

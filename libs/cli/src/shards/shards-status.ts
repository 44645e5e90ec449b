import { Shards } from '@rookery/sharding';
import type { CliCommand } from '../cli.options.js';
import type { ShardedSite } from '../sharded-site.js';
import { printShards } from './print-shards.js';
import { readFigures, type ShardFigures } from './shard-figures.js';
import { slotRanges, type SlotRange } from './slot-ranges.js';

/** One shard, as `rookery shards status` shows it; the form of its JSON. */
export interface ShardReport {
  readonly shard: string;
  readonly state: 'up' | 'down';
  readonly slots: number;
  readonly closedSlots: number;
  readonly ranges: readonly SlotRange[];
  readonly epoch: number;
  /** Milliseconds since the shard last said which slots it owns; null if it never did. */
  readonly lagMs: number | null;
  /** Sum over its tables; null where the shard does not answer. */
  readonly rows: number | null;
  readonly figures: ShardFigures | null;
  readonly trouble?: string;
}

/** Counting every row of a large table takes its time. */
const EXACT_LIMIT_MS = 30 * 60_000;
const APPLICATION = 'rookery shards status';

/** `rookery shards status`: who owns what, and how full it is. Changes nothing. */
export const shardsStatus: CliCommand<ShardedSite> = {
  path: ['shards', 'status'],
  summary: 'show slots, rows, connections and epoch of each shard',
  flags: [{ flags: '--exact', summary: 'count rows one by one instead of asking for estimates' }],
  help: `Columns:
  slots        of 4,096, and which ones; a shard that is away keeps the slots it was last known to own
  rows         of all sharded tables; estimates are as fresh as the last ANALYZE
  share        of the rows of all shards
  connections  open on the server of the shard, of the most it takes
  epoch        of the newest slot: it grows with each move
  lag          since the shard last confirmed its slots

Ends with code 1 if a shard does not answer.`,
  async run({ flags, json, output, open }) {
    const { sharding } = await open();
    const exact = flags['exact'] === true;
    const shards = new Shards({
      ...sharding,
      poolMax: 3,
      applicationName: APPLICATION,
      ...(exact ? { defaultDeadlineMs: EXACT_LIMIT_MS } : {}),
    });
    try {
      await shards.start();
      const reports = await reportsOf(shards, exact);
      if (json) output.json({ exact, shards: reports });
      else printShards(reports, exact, output);
      return reports.some(({ state }) => state === 'down') ? 1 : 0;
    } finally {
      await shards.close();
    }
  },
};

async function reportsOf(shards: Shards, exact: boolean): Promise<ShardReport[]> {
  return Promise.all(
    shards.status().map(async (status): Promise<ShardReport> => {
      const figures =
        status.state === 'up' ? await readFigures(shards, status.shard, APPLICATION, exact) : null;
      return {
        shard: status.shard,
        state: status.state,
        slots: status.slots,
        closedSlots: status.closedSlots,
        ranges: slotRanges(shards.slotsOf(status.shard)),
        epoch: status.epoch,
        lagMs: Number.isFinite(status.ageMs) ? Math.round(status.ageMs) : null,
        rows: figures?.tables.reduce((sum, { rows }) => sum + rows, 0) ?? null,
        figures,
        ...(status.trouble === undefined ? {} : { trouble: status.trouble || 'no answer' }),
      };
    }),
  );
}

import type { Shards } from '@rookery/sharding';
import type { CliCommand } from '../cli.options.js';
import type { ShardedSite } from '../sharded-site.js';
import { count, duration, whole } from '../terminal/figures.js';
import { UsageFault } from '../usage-fault.js';
import { withShards } from '../with-shards.js';

/** A read model that the site can make anew from what it is made of, while the live one is read. */
export interface SiteReadModel {
  /** @param onProgress told how many rows more have been looked at */
  rebuild(shards: Shards, onProgress: (rows: number) => void): Promise<void>;
  /** Counts what differs from what the sources say. */
  compare(shards: Shards): Promise<ReadModelDifference>;
}

export interface ReadModelDifference {
  /** Rows that should be there and are not, or are not as they should be. */
  readonly missing: number;
  /** Rows that should not be there. */
  readonly extra: number;
}

export interface ReadModelSite extends ShardedSite {
  /** By the name that people say. */
  readonly readModels: Readonly<Record<string, SiteReadModel>>;
}

const SAY_EVERY_MS = 200;

/** `rookery events rebuild <model>`: a read model anew from its sources. */
export const eventsRebuild: CliCommand<ReadModelSite> = {
  path: ['events', 'rebuild'],
  args: '<model>',
  summary: 'make a read model anew from what it is made of, while the site goes on',
  flags: [{ flags: '--check', summary: 'only compare it with its sources, and end with 1 if they differ' }],
  help: `It looks at every row of its sources, and changes what is not as they say; the live model is read and goes on following
events meanwhile. May be ended at any point and run again. In a site that is in use a comparison counts what is on its
way, too.`,
  async run({ args, flags, json, output, progress, open }) {
    const { model: name } = args as { model: string };
    const site = await open();
    const model = Object.hasOwn(site.readModels, name) ? site.readModels[name] : undefined;
    if (!model) {
      throw new UsageFault(
        `no read model ${name}: there are ${Object.keys(site.readModels).sort().join(', ')}`,
      );
    }
    return withShards(site, 'rookery events rebuild', async (shards) => {
      const since = performance.now();
      const check = flags['check'] === true;
      let rows = 0;
      if (!check) {
        let saidAt = -Infinity;
        await model.rebuild(shards, (more) => {
          rows += more;
          const now = performance.now();
          if (now - saidAt < SAY_EVERY_MS) return;
          saidAt = now;
          progress.say(`${name}: ${whole(rows)} rows, ${whole((rows * 1000) / (now - since + 1))}/s`);
        });
      }
      progress.say(`${name}: comparing it with its sources`);
      const difference = await model.compare(shards);
      const tookMs = Math.round(performance.now() - since);
      const same = difference.missing === 0 && difference.extra === 0;
      if (json) output.json({ model: name, rebuilt: !check, rows, difference, tookMs });
      else {
        const done = check ? 'compared' : `rebuilt from ${count(rows, 'row')}`;
        const left = same
          ? 'as its sources say'
          : `${count(difference.missing, 'row')} missing or other, ${count(difference.extra, 'row')} too many`;
        output.print(
          `${same ? output.paint('green', '✓') : output.paint('yellow', '!')} ${name} ${done} in ${duration(tookMs)}: ${left}`,
        );
      }
      return check && !same ? 1 : 0;
    });
  },
};

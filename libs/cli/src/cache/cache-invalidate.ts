import { inspectRedis } from '@rookery/cache';
import type { CliCommand } from '../cli.options.js';
import { count } from '../terminal/figures.js';
import { UsageFault } from '../usage-fault.js';
import { sharedOptions, takingPart, type CacheSite } from './cache-site.js';

/** `rookery cache invalidate --tag <tag>`: ends what carries a tag, on every replica. */
export const cacheInvalidate: CliCommand<CacheSite> = {
  path: ['cache', 'invalidate'],
  summary: 'end what carries a tag, on every replica',
  flags: [
    { flags: '--tag <tag...>', summary: 'what to end; several are ended together' },
    { flags: '--dry-run', summary: 'only show which replicas would be told' },
  ],
  help: 'Ends with code 1 unless every replica has confirmed it.',
  async run(call) {
    const { flags, json, output } = call;
    const tags = (flags['tag'] ?? []) as readonly string[];
    if (tags.length === 0) throw new UsageFault('say what to end: --tag <tag>');
    const options = await sharedOptions(call);
    if (!options) return 0;
    const { replicas } = await inspectRedis(options);
    const said = tags.map((tag) => `'${tag}'`).join(', ');
    if (flags['dryRun'] === true) {
      if (json) output.json({ redis: true, tags, replicas, acknowledged: null });
      else output.print(`would end what carries ${said}, on ${count(replicas.length, 'replica')}`);
      return 0;
    }
    const { acknowledged } = await takingPart(options, (cache) => cache.invalidate(tags));
    if (json) output.json({ redis: true, tags, replicas, acknowledged });
    else if (acknowledged) {
      output.print(
        `${output.paint('green', '✓')} ended what carries ${said}: ${count(replicas.length, 'replica')} told, none serves it any more`,
      );
    } else output.print(`${output.paint('red', '!')} not confirmed: Redis did not record it, try again`);
    return acknowledged ? 0 : 1;
  },
};

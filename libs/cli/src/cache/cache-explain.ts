import type { DriverEntry } from '@rookery/cache';
import type { CliCommand } from '../cli.options.js';
import { duration, whole } from '../terminal/figures.js';
import { table } from '../terminal/table.js';
import { sharedOptions, takingPart, type CacheSite } from './cache-site.js';

const STATES: Readonly<Record<DriverEntry['state'], string>> = {
  valid: 'valid: no tag was invalidated since its load began',
  soft: 'stale: a tag was invalidated softly since its load began; it may be served while it is loaded anew',
  invalidated:
    'not valid: a tag was invalidated since its load began, or its version was lost; it is never served',
};

/** `rookery cache explain <key>`: what is kept of a key, and whether it would be served. */
export const cacheExplain: CliCommand<CacheSite> = {
  path: ['cache', 'explain'],
  summary: 'show what Redis keeps of a key, and whether it would be served',
  args: '<key>',
  help: `The key of a cached route is JSON: the route, its viewer or null, its parameters, and the query that it names, e.g.
  rookery cache explain '["ArticlesController.show",null,["a-slug"],[]]'

Ends with code 1 if there is nothing.`,
  async run(call) {
    const options = await sharedOptions(call);
    if (!options) return 0;
    const { output, json } = call;
    const key = call.args['key']!;
    const { inStep, shared } = await takingPart(options, (cache) => cache.explain(key));
    if (json) output.json({ redis: true, key, answers: inStep, entry: shared ?? null });
    else if (!inStep) output.print('Redis does not answer: nothing from it is served');
    else if (!shared) output.print('Redis keeps nothing of this key: it is loaded by whoever asks next');
    else {
      const rows = [
        ['state', output.paint(shared.state === 'valid' ? 'green' : 'yellow', STATES[shared.state])],
        ['tags', shared.tags.join(', ')],
        ['age', duration(shared.ageMs)],
        ['bytes', whole(shared.bytes)],
        ['etag', shared.etag],
      ];
      for (const line of table([{ title: '' }, { title: '' }], rows).slice(1)) output.print(line);
    }
    return inStep && shared ? 0 : 1;
  },
};

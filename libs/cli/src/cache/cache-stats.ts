import { inspectRedis, type SharedFigures } from '@rookery/cache';
import type { CliCommand } from '../cli.options.js';
import { percent, whole } from '../terminal/figures.js';
import type { Output } from '../terminal/output.js';
import { table } from '../terminal/table.js';
import { sharedOptions, type CacheSite } from './cache-site.js';

const MEBIBYTE = 1_048_576;

/** `rookery cache stats`: what Redis knows of the cache. */
export const cacheStats: CliCommand<CacheSite> = {
  path: ['cache', 'stats'],
  summary: 'show what replicas keep in Redis, and which replicas there are',
  help: `Memory and lookups are those of the whole Redis, whoever else uses it: an entry in a replica's memory is read without asking
Redis, so the hits of the site are on the operations ports (rookery_cache_reads_total).`,
  async run(call) {
    const options = await sharedOptions(call);
    if (!options) return 0;
    const figures = await inspectRedis(options);
    if (call.json) call.output.json({ redis: true, ...figures });
    else print(figures, call.output);
    return 0;
  },
};

function print({ entries, tags, leases, replicas, server }: SharedFigures, output: Output): void {
  const { usedBytes, maxBytes, keyHits, keyMisses } = server;
  const limit = maxBytes === 0 ? 'no limit' : `of ${mebibytes(maxBytes)}`;
  const lookups = keyHits + keyMisses;
  const rows = [
    ['entries', whole(entries)],
    ['tags', whole(tags)],
    ['loads under way', whole(leases)],
    ['memory of Redis', `${mebibytes(usedBytes)}, ${limit}`],
    [
      'lookups of Redis that found',
      lookups === 0 ? '–' : `${percent(keyHits / lookups)} of ${whole(lookups)}`,
    ],
  ];
  for (const line of table([{ title: '' }, { title: '' }], rows).slice(1)) output.print(line);
  output.print();
  const [head, ...lines] = table(
    [{ title: 'replica' }, { title: 'state' }],
    replicas.map(({ id, isAlive }) => [
      id,
      isAlive ? output.paint('green', 'hears') : output.paint('yellow', 'silent'),
    ]),
  );
  output.print(output.paint('dim', head!));
  for (const line of lines) output.print(line);
  if (replicas.length === 0) output.print('none');
}

function mebibytes(bytes: number): string {
  return `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
}

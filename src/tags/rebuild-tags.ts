import { AsyncLocalStorage } from 'node:async_hooks';
import { appliedIn } from '@rookery/events';
import { natural, type Shards } from '@rookery/sharding';
import type { Difference, OnProgress } from '../rebuild/index.js';
import * as sql from './data/rebuild-tags.sql.js';
import { TAG_COUNTS } from './handlers/tag-counts.js';

/** Tags corrected in one transaction. */
const PAGE = 500;

/** How the counts of tags differ from the tags of articles, in tags. Of a site in use, events on their way count as well. */
export async function compareTags(shards: Shards): Promise<Difference> {
  let [missing, extra] = [0, 0];
  for (const [, { kept, counted }] of await differences(shards)) {
    if (kept < counted) missing += 1;
    else extra += 1;
  }
  return { missing, extra };
}

/**
 * Makes the counts of tags what articles say, while the site is in use.
 *
 * A count cannot be set to what is counted now: events that are still to be handled are in that number, and would be added
 * once more. So while the rows of some tags are locked, and no event of theirs can be handled, the tags of articles are counted
 * together with the events that changed them, each shard in one snapshot; what the inbox does not have of those is still to
 * come, and is taken off.
 */
export async function rebuildTags(shards: Shards, onProgress: OnProgress): Promise<void> {
  const wrong = [...(await differences(shards)).keys()];
  const byShard = new Map<string, string[]>();
  for (const tag of wrong.sort()) {
    const shard = await shards.shardOf(natural(tag));
    byShard.set(shard, [...(byShard.get(shard) ?? []), tag]);
  }
  for (const [shard, tags] of byShard) {
    for (let from = 0; from < tags.length; from += PAGE) {
      const page = tags.slice(from, from + PAGE);
      await correct(shards, shard, page);
      onProgress(page.length);
    }
  }
}

async function correct(shards: Shards, shard: string, tags: readonly string[]): Promise<void> {
  // Other shards are only read, each for itself: that is no part of the transaction, which is on one.
  const outside = AsyncLocalStorage.snapshot();
  await shards.transactionAt(shard, async (tx) => {
    await tx.query(sql.lock(tags));
    const counted = (await outside(() => shards.scatter<sql.CountedRow>(sql.counted(tags)))).flat();
    const ids = counted.flatMap(({ id }) => (id === null ? [] : [id]));
    const applied = await appliedIn(tx, TAG_COUNTS.group, ids);
    const counts = new Map(tags.map((tag) => [tag, 0]));
    for (const { tag, step, id } of counted) {
      if (id === null) counts.set(tag, counts.get(tag)! + step);
      else if (!applied.has(id)) counts.set(tag, counts.get(tag)! - step);
    }
    tx.send(sql.set([...counts.keys()], [...counts.values()]));
    tx.send(sql.forgetEmpty(tags));
  });
}

async function differences(shards: Shards): Promise<Map<string, { kept: number; counted: number }>> {
  const found = new Map<string, { kept: number; counted: number }>();
  const of = (tag: string) => {
    let both = found.get(tag);
    if (!both) found.set(tag, (both = { kept: 0, counted: 0 }));
    return both;
  };
  const [kept, counted] = await Promise.all([
    shards.scatter<[string, number]>(sql.keptAll()),
    shards.scatter<[string, number]>(sql.countedAll()),
  ]);
  for (const [tag, articles] of kept.flat()) of(tag).kept += articles;
  for (const [tag, articles] of counted.flat()) of(tag).counted += articles;
  for (const [tag, both] of found) if (both.kept === both.counted) found.delete(tag);
  return found;
}

import type { Shards } from '@rookery/sharding';
import { compareRows, fillRows, rebuildRows, type Difference, type OnProgress } from '../rebuild/index.js';
import * as followers from './data/followers.sql.js';
import { feedEntriesModel, feedPullsModel, followersModel } from './feed.models.js';

/** In this order: what is in feeds is made of who follows whom. */
const MODELS = [followersModel, feedPullsModel, feedEntriesModel];

/** Makes all feeds what follows and articles say, while the site is in use. Who is asked for articles stays so. */
export async function rebuildFeeds(shards: Shards, onProgress: OnProgress): Promise<void> {
  for (const model of MODELS) await rebuildRows(shards, model, onProgress);
}

export async function compareFeeds(shards: Shards): Promise<Difference> {
  let [missing, extra] = [0, 0];
  for (const model of MODELS) {
    const difference = await compareRows(shards, model);
    missing += difference.missing;
    extra += difference.extra;
  }
  return { missing, extra };
}

/** The same for articles and follows that were loaded beside a site that nobody uses. */
export async function fillFeeds(shards: Shards, fanOutMax: number, onProgress: OnProgress): Promise<void> {
  await fillRows(shards, followersModel, onProgress);
  await shards.scatter(followers.pullAbove(fanOutMax));
  await fillRows(shards, feedPullsModel, onProgress);
  await fillRows(shards, feedEntriesModel, onProgress);
}

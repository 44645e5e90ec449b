import type { Shards } from '@rookery/sharding';
import { favoritedModel } from './favorites/index.js';
import { compareFeeds, rebuildFeeds } from './feed/index.js';
import { compareRows, rebuildRows, type Difference, type OnProgress } from './rebuild/index.js';
import { compareTags, rebuildTags } from './tags/index.js';

/** A read model that can be made anew from what it is made of. Needs no events, and does not stop them. */
export interface ReadModel {
  /**
   * Makes it what its sources say, a page at a time, while the live one is read and goes on following events. May be ended at
   * any point and run again.
   * @param onProgress told how many rows more have been looked at
   */
  rebuild(shards: Shards, onProgress: OnProgress): Promise<void>;
  /** Counts what differs. In a site in use, what is on its way counts as well. */
  compare(shards: Shards): Promise<Difference>;
}

/** By the name that people say. */
export const readModels: Readonly<Record<string, ReadModel>> = {
  favorited: {
    rebuild: (shards, onProgress) => rebuildRows(shards, favoritedModel, onProgress),
    compare: (shards) => compareRows(shards, favoritedModel),
  },
  feed: { rebuild: rebuildFeeds, compare: compareFeeds },
  tags: { rebuild: rebuildTags, compare: compareTags },
};

import { PasswordHasher } from '@rookery/security';
import type { Shards } from '@rookery/sharding';
import { favoritedModel } from '../../favorites/index.js';
import { FAN_OUT_MAX, fillFeeds } from '../../feed/index.js';
import { fillRows } from '../../rebuild/index.js';
import { rebuildTags } from '../../tags/index.js';
import type { Plan } from '../plan/plan.js';
import type { Progress } from '../progress.js';
import { bringArticles } from './bring-articles.js';
import { bringFollows, bringPeople } from './people.js';
import { analyze, recount, type Recount } from './verify.js';

export interface BulkResult {
  readonly added: number;
  /** Articles of the plan that were there already. */
  readonly found: number;
  readonly people: number;
  readonly follows: number;
  /** Seconds for the articles with all that belongs to them. */
  readonly articleSeconds: number;
  /** What lists, tags and feeds are read from, made of all that is there. */
  readonly readModelRows: number;
  readonly readModelSeconds: number;
  readonly recount: Recount;
}

/** Makes the read models of all that is there: rows written in bulk publish no events that they could follow. */
async function fillReadModels(shards: Shards, progress: Progress, signal?: AbortSignal): Promise<number> {
  let rows = 0;
  const onProgress = (more: number): void => {
    signal?.throwIfAborted();
    rows += more;
  };
  progress.say('filling favorited lists, tags and feeds …');
  await fillRows(shards, favoritedModel, onProgress);
  await rebuildTags(shards, onProgress);
  await fillFeeds(shards, FAN_OUT_MAX, onProgress);
  return rows;
}

/**
 * Writes the plan straight into the shards, without HTTP. May be ended at any point and run again: what is there is found,
 * and every counter is right after each statement.
 */
export async function seedInBulk(
  shards: Shards,
  plan: Plan,
  password: string,
  progress: Progress,
  signal?: AbortSignal,
): Promise<BulkResult> {
  // One hash for all: a hash each would take longer than everything else together.
  const passwordHash = await new PasswordHasher().hash(password);
  const usernames = plan.people();
  progress.begin('people', usernames.length);
  const people = await bringPeople(shards, usernames, passwordHash, (count) => progress.add(count));
  progress.end();

  progress.begin('articles', plan.articles);
  const since = performance.now();
  const { added, found } = await bringArticles(shards, plan, people, (count) => progress.add(count), signal);
  const articleSeconds = (performance.now() - since) / 1000;
  progress.end();

  signal?.throwIfAborted();
  const follows = await bringFollows(shards, people, plan.follows());
  signal?.throwIfAborted();
  const filledSince = performance.now();
  const readModelRows = await fillReadModels(shards, progress, signal);
  const readModelSeconds = (performance.now() - filledSince) / 1000;
  progress.say('recounting …');
  await analyze(shards);
  return {
    added,
    found,
    people: people.size,
    follows,
    articleSeconds,
    readModelRows,
    readModelSeconds,
    recount: await recount(shards),
  };
}

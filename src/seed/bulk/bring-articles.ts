import type { Shards } from '@rookery/sharding';
import type { Plan } from '../plan/plan.js';
import { ArticleBatch } from './article-batch.js';
import * as sql from './bulk.sql.js';
import type { Person } from './people.js';
import { SlotRoutes } from './slot-routes.js';

/** Articles looked at together: neighbours in time, written slot by slot, so that a statement touches few slots. */
const WINDOW = 65_536;
const BATCH = 2_500;
const BATCH_SIZE = 8_000_000;
/** Serialization failure, deadlock: somebody was in the way, and nothing of the batch stands. */
const CONTENTION = new Set(['40001', '40P01']);
const ATTEMPTS = 5;

export interface BroughtArticles {
  readonly added: number;
  readonly found: number;
}

/**
 * Writes the plan's articles, each shard at its own pace. What an earlier run wrote is found by its ids and passed over.
 * @param onDone told of articles that are there now, whoever wrote them
 * @param signal ends it after the statements under way; @throws its reason then
 */
export async function bringArticles(
  shards: Shards,
  plan: Plan,
  people: ReadonlyMap<string, Person>,
  onDone: (articles: number) => void,
  signal?: AbortSignal,
): Promise<BroughtArticles> {
  const brought = await Promise.all(
    shards.shardNames.map((shard) => bringTo(shards, shard, plan, people, onDone, signal)),
  );
  return {
    added: brought.reduce((sum, { added }) => sum + added, 0),
    found: brought.reduce((sum, { found }) => sum + found, 0),
  };
}

async function bringTo(
  shards: Shards,
  shard: string,
  plan: Plan,
  people: ReadonlyMap<string, Person>,
  onDone: (articles: number) => void,
  signal: AbortSignal | undefined,
): Promise<BroughtArticles> {
  const routes = new SlotRoutes(shards);
  const [state] = await shards.queryShard<{ there: boolean }>(shard, sql.anyArticle());
  const fresh = !state!.there;
  let added = 0;
  const write = async (batch: ArticleBatch): Promise<void> => {
    let made = 0;
    if (fresh || !(await isKnown(shards, shard, batch))) made = await insert(shards, shard, batch);
    added += made;
    onDone(batch.length);
  };
  let count = 0;
  // The next batch is made while the shard works on this one.
  let writing: Promise<void> = Promise.resolve();
  for (const batch of batchesFor(shard, routes, plan, people)) {
    count += batch.length;
    await writing;
    signal?.throwIfAborted();
    writing = write(batch);
    // Handled where it is awaited; until then a failure must not look as if nobody would.
    writing.catch(() => undefined);
    await sent();
  }
  await writing;
  return { added, found: count - added };
}

async function insert(shards: Shards, shard: string, batch: ArticleBatch): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      const [row] = await shards.queryShard<{ added: number }>(shard, batch.statement());
      return row!.added;
    } catch (error) {
      const state = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (!CONTENTION.has(state) || attempt === ATTEMPTS) throw error;
    }
  }
}

async function isKnown(shards: Shards, shard: string, batch: ArticleBatch): Promise<boolean> {
  const [row] = await shards.queryShard<{ known: number }>(shard, sql.countKnown(batch.ids));
  return row!.known === batch.length;
}

/** Lets a statement out to its shard before the processor goes on to make the next one. */
function sent(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function* batchesFor(
  shard: string,
  routes: SlotRoutes,
  plan: Plan,
  people: ReadonlyMap<string, Person>,
): Generator<ArticleBatch> {
  let batch = new ArticleBatch();
  for (let from = 0; from < plan.articles; from += WINDOW) {
    const here: number[] = [];
    const to = Math.min(from + WINDOW, plan.articles);
    for (let index = from; index < to; index++) {
      const { id, slot } = people.get(plan.authorOf(index))!;
      if (routes.of(id) === shard) here.push(placeOf(slot) * WINDOW + (index - from));
    }
    for (const key of Int32Array.from(here).sort()) {
      batch.add(plan.article(from + (key % WINDOW)), people);
      if (batch.length < BATCH && batch.size < BATCH_SIZE) continue;
      yield batch;
      batch = new ArticleBatch();
    }
  }
  if (batch.length > 0) yield batch;
}

/**
 * Where a slot's articles come in a window. Slots with the same low bits share their counters, so they come together: a
 * statement then adds much to few counters.
 */
function placeOf(slot: number): number {
  return ((slot & 15) << 8) | (slot >> 4);
}

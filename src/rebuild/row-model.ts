import type { Id } from '@rookery/kernel';
import type { Shards, Statement } from '@rookery/sharding';

/** A row of a model: its columns, all of them ids. */
export type ModelRow = readonly Id[];
type Rows = (...columns: readonly (readonly Id[])[]) => Statement;

/**
 * A read model that is a set of rows, each of which stands for something in another slot. All statements give rows as arrays
 * of the model's columns; those that take rows take them column by column.
 */
export interface RowModel {
  readonly name: string;
  /** A page of what is due, from one shard of sources. @param after where the last page ended */
  readonly due: (after: ModelRow | undefined) => Statement;
  /** Rows of the model that an answer of `due` stands for. @default itself */
  readonly expand?: (row: ModelRow) => ModelRow[];
  /** A page of what is there, from one shard of the model. */
  readonly there: (after: ModelRow | undefined) => Statement;
  /** Where a row lies in the model, and where what it stands for lies. */
  readonly placeOf: (row: ModelRow) => Id;
  readonly sourceOf: (row: ModelRow) => Id;
  /** Of the rows given those that are not in the model; asked where they should lie. */
  readonly missing: Rows;
  /** Of the rows given those that are not due; asked where what they stand for would lie. */
  readonly unfounded: Rows;
  readonly add: Rows;
  readonly remove: Rows;
}

/** How a model differs from what it is made of, in rows. Of a site in use, events on their way count as well. */
export interface Difference {
  /** What is due and not there. */
  readonly missing: number;
  /** What is there and not due. */
  readonly extra: number;
}

/** Told now and then how many rows have been looked at. */
export type OnProgress = (rows: number) => void;

/** Rows written at once. */
const CHUNK = 10_000;
/** Times that a row is looked at again because its source changed in the meantime. */
const ROUNDS = 10;

export async function compareRows(shards: Shards, model: RowModel): Promise<Difference> {
  let [missing, extra] = [0, 0];
  await walkDue(shards, model, async (rows) => {
    missing += (await askAt(shards, rows, model.placeOf, model.missing)).length;
  });
  await walkThere(shards, model, async (rows) => {
    extra += (await askAt(shards, rows, model.sourceOf, model.unfounded)).length;
  });
  return { missing, extra };
}

/**
 * Makes the model what its sources say, while the site goes on handling events.
 *
 * Whatever is written here may be outdated the moment it is written: its source changed after it was read, and the event of
 * that change was handled before this. A row that should not have been added is found when all that is there is looked at,
 * which comes second. Of a row that was taken out the source is read once more, and the row is changed again until its
 * source is what it was. An event that is still to be handled does no harm: handlers set what the last event says, which is
 * what the source says.
 */
export async function rebuildRows(shards: Shards, model: RowModel, onProgress: OnProgress): Promise<void> {
  await walkDue(shards, model, async (rows) => {
    onProgress(rows.length);
    await askAt(shards, await askAt(shards, rows, model.placeOf, model.missing), model.placeOf, model.add);
  });
  await walkThere(shards, model, async (rows) => {
    onProgress(rows.length);
    await takeOut(shards, model, await askAt(shards, rows, model.sourceOf, model.unfounded));
  });
}

/** Writes all that is due, for a site that nobody uses: nothing is looked at twice, and nothing is taken out. */
export async function fillRows(shards: Shards, model: RowModel, onProgress: OnProgress): Promise<void> {
  await walkDue(shards, model, async (rows) => {
    await askAt(shards, rows, model.placeOf, model.add);
    onProgress(rows.length);
  });
}

async function takeOut(shards: Shards, model: RowModel, rows: readonly ModelRow[]): Promise<void> {
  let unfounded = rows;
  for (let round = 0; unfounded.length > 0; round++) {
    if (round === ROUNDS) {
      throw new Error(`${model.name}: ${unfounded.length} rows change faster than they are read`);
    }
    await askAt(shards, unfounded, model.placeOf, model.remove);
    const still = new Set((await askAt(shards, unfounded, model.sourceOf, model.unfounded)).map(nameOf));
    const due = unfounded.filter((row) => !still.has(nameOf(row)));
    await askAt(shards, due, model.placeOf, model.add);
    unfounded = await askAt(shards, due, model.sourceOf, model.unfounded);
  }
}

function nameOf(row: ModelRow): string {
  return row.join();
}

async function walkDue(
  shards: Shards,
  model: RowModel,
  work: (rows: readonly ModelRow[]) => Promise<void>,
): Promise<void> {
  const { expand } = model;
  await walk(shards, model.due, async (page) => {
    const rows = expand ? page.flatMap(expand) : page;
    for (let from = 0; from < rows.length; from += CHUNK) await work(rows.slice(from, from + CHUNK));
  });
}

function walkThere(
  shards: Shards,
  model: RowModel,
  work: (rows: readonly ModelRow[]) => Promise<void>,
): Promise<void> {
  return walk(shards, model.there, work);
}

/** All pages of all shards; the shards beside each other. */
async function walk(
  shards: Shards,
  pageAfter: (after: ModelRow | undefined) => Statement,
  work: (rows: readonly ModelRow[]) => Promise<void>,
): Promise<void> {
  await Promise.all(
    shards.shardNames.map(async (shard) => {
      let rows = await shards.queryShard<ModelRow>(shard, pageAfter(undefined));
      while (rows.length > 0) {
        // The next page is read while this one is worked on.
        const next = shards.queryShard<ModelRow>(shard, pageAfter(rows.at(-1)));
        next.catch(() => undefined);
        await work(rows);
        rows = await next;
      }
    }),
  );
}

/** Sends rows to the shards they belong to, and gives what those answer. */
async function askAt(
  shards: Shards,
  rows: readonly ModelRow[],
  place: (row: ModelRow) => Id,
  statement: Rows,
): Promise<ModelRow[]> {
  if (rows.length === 0) return [];
  const byShard = new Map<string, ModelRow[]>();
  for (const row of rows) {
    const shard = await shards.shardOf(place(row));
    const list = byShard.get(shard);
    if (list) list.push(row);
    else byShard.set(shard, [row]);
  }
  const answers = await Promise.all(
    [...byShard].map(([shard, there]) =>
      shards.queryShard<ModelRow>(
        shard,
        statement(...there[0]!.map((_, column) => there.map((row) => row[column]!))),
      ),
    ),
  );
  return answers.flat();
}

import type { Id } from '@rookery/kernel';

/**
 * Which articles a list is about: a statement's inner part. Features that own a way to select (favorites, tags, feed) make
 * one; what a list shows of each article is the articles' own business.
 */
export interface Selection {
  /** Unique per text; part of the prepared statement's name. */
  readonly name: string;
  /**
   * SQL that gives `id` of articles, newest first, ending in ORDER BY: LIMIT is added. Values from $1 on; `{most}` stands
   * for the most rows that one source of several can have on the page, `{columns}` for the columns of an article that the
   * reader wants, where the text reads articles anyway.
   */
  readonly ids: string;
  /** SQL of one number: how many articles of this shard are selected. */
  readonly count: string;
  /** Values of the text, the same on every shard, or by shard; `undefined` leaves a shard out. */
  readonly values: readonly unknown[] | ((shard: string) => readonly unknown[] | undefined);
  /** How many values the text has. */
  readonly arity: number;
  /** All selected articles live where this id does: only that shard is asked. */
  readonly at?: Id;
  /**
   * The list lies where this id does, and the articles anywhere: that shard is asked for the page's ids and the total, then
   * those shards that have any of its articles. What it lists and is gone meanwhile is passed over.
   */
  readonly listedAt?: Id;
  /** The same selection by rows beside the articles, for what narrows it further. @default the selection itself */
  readonly beside?: Selection;
}

export interface Page {
  readonly limit: number;
  readonly offset: number;
}

/** Every article. */
export const everything: Selection = {
  name: 'all',
  ids: 'SELECT {columns} FROM article ORDER BY id DESC',
  count: 'SELECT coalesce(sum(articles), 0)::int FROM article_total',
  values: [],
  arity: 0,
};

/** Articles of one author: all in the author's slot. */
export function byAuthor(author: Id): Selection {
  return {
    name: 'author',
    ids: 'SELECT {columns} FROM article WHERE author_id = $1 ORDER BY author_id, id DESC',
    count: 'SELECT coalesce((SELECT articles FROM author_stat WHERE author_id = $1), 0)',
    values: [author],
    arity: 1,
    at: author,
  };
}

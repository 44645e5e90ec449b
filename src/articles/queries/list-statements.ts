import type { Statement } from '@rookery/sharding';
import type { Selection } from './selection.js';

/**
 * A shard's whole part of a page in one row, since rows cost the driver more than their bytes do: [total, ids, authors,
 * fragments], each a list of lines in the order of the page; null where nothing is selected. JSON has no line feeds of its
 * own.
 */
export type ListRow = [total: number, ids: string | null, authors: string | null, fragments: string | null];
/** The same where nothing is left to add: [total, the articles, joined by commas]. */
export type WholeRow = [total: number, articles: string | null];
export type IdRow = [total: number, ids: string | null];

/**
 * LIMIT stands in the text, in these sizes: with a parameter PostgreSQL's generic plan would expect a tenth of the table
 * and sort it, so it would plan anew at each call. What is fetched beyond the page is at most a few rows.
 */
const SIZES = [20, 100, 300, 1_000, 3_000, 10_100];

export function sizeFor(rows: number): number {
  return SIZES.find((size) => size >= rows) ?? rows;
}

export interface ListShape {
  readonly size: number;
  /** OFFSET as a parameter: only where one shard answers alone. */
  readonly offset: boolean;
  readonly viewer: boolean;
  /** `following` from the same shard. */
  readonly followed: boolean;
}

const texts = new Map<string, Statement>();

/** The statement of a list. Its values: the selection's, then the viewer's id, then the offset. */
export function listStatement(selection: Selection, shape: ListShape): Statement {
  const name = `articles.list.${selection.name}.${shape.size}${shape.viewer ? '.v' : ''}${shape.followed ? '.f' : ''}${shape.offset ? '.o' : ''}`;
  let statement = texts.get(name);
  if (!statement) {
    statement = { name, text: listText(selection, shape), rowMode: 'array' };
    texts.set(name, statement);
  }
  return statement;
}

function listText(selection: Selection, { size, offset, viewer, followed }: ListShape): string {
  const viewerAt = `$${selection.arity + 1}`;
  const limit = `LIMIT ${size}${offset ? ` OFFSET $${selection.arity + (viewer ? 2 : 1)}` : ''}`;
  const most = offset ? 'ALL' : String(size);
  const direct = selection.ids.includes('{columns}');
  const page = textOf(selection, 'id, author_id, card, favorites_count', most);
  const article = direct ? 'p' : 'a';
  const fragment = `${article}.card || ',"favorited":' || ${viewer ? '(f.yes IS NOT NULL)::text' : "'false'"}
      || ',"favoritesCount":' || ${article}.favorites_count || ',"author":' || u.card || ',"following":'`;
  const columns = followed
    ? lines(`${fragment} || (w.yes IS NOT NULL)::text || '}}'`, "','")
    : [lines('p.id::text'), lines(`${article}.author_id::text`), lines(fragment)].join(', ');
  // The page first, by index; then everything else for these few rows, on primary keys. LATERAL with LIMIT keeps the
  // planner from reading whole tables instead, which is cheaper only while they are small.
  return `SELECT (${selection.count}) AS total, ${columns}
  FROM (${page} ${limit}) p
  ${direct ? '' : 'JOIN LATERAL (SELECT author_id, card, favorites_count FROM article WHERE id = p.id LIMIT 1) a ON true'}
  LEFT JOIN LATERAL (SELECT card FROM users WHERE id = ${article}.author_id LIMIT 1) u ON true
  ${viewer ? `LEFT JOIN LATERAL (SELECT true AS yes FROM favorite WHERE article_id = p.id AND user_id = ${viewerAt} LIMIT 1) f ON true` : ''}
  ${followed ? `LEFT JOIN LATERAL (SELECT true AS yes FROM follow WHERE follower_id = ${viewerAt} AND followee_id = ${article}.author_id LIMIT 1) w ON true` : ''}`;
}

function lines(expression: string, separator = "E'\\n'"): string {
  return `string_agg(${expression}, ${separator} ORDER BY p.id DESC)`;
}

/** Ids alone: of pages far down, where what is skipped is not worth its JSON, or of a list that lies elsewhere. */
export function idStatement(selection: Selection, size: number, offset = false): Statement {
  const name = `articles.ids.${selection.name}.${size}${offset ? '.o' : ''}`;
  const limit = `LIMIT ${size}${offset ? ` OFFSET $${selection.arity + 1}` : ''}`;
  let statement = texts.get(name);
  if (!statement) {
    statement = {
      name,
      rowMode: 'array',
      text: `SELECT (${selection.count}) AS total, ${lines('p.id::text')}
        FROM (${textOf(selection, 'id', offset ? 'ALL' : String(size))} ${limit}) p`,
    };
    texts.set(name, statement);
  }
  return statement;
}

/** Articles whose ids are known already; their number is not asked for. One that is gone meanwhile is passed over. */
export function picked(ids: (shard: string) => readonly string[] | undefined): Selection {
  return {
    name: 'picked',
    ids: 'SELECT {columns} FROM article WHERE id = ANY($1::uuid[]) ORDER BY id DESC',
    count: 'SELECT 0',
    values: (shard) => {
      const there = ids(shard);
      return there && [there];
    },
    arity: 1,
  };
}

export function textOf(selection: Selection, columns: string, most: string): string {
  return selection.ids.replaceAll('{columns}', columns).replaceAll('{most}', most);
}

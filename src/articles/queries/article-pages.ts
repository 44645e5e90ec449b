import { Injectable } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import { RawJson } from '@rookery/http';
import { mergeOrdered, Shards, type Statement } from '@rookery/sharding';
import { ProfilesFacade } from '../../profiles/index.js';
import {
  idStatement,
  listStatement,
  picked,
  sizeFor,
  type IdRow,
  type ListRow,
  type ListShape,
  type WholeRow,
} from './list-statements.js';
import type { Page, Selection } from './selection.js';

/** Beyond this the page's ids are found first, over all shards, and only its own rows are made into JSON. */
const DEEP_OFFSET = 200;

/** An article of a page, as its shard gave it. */
interface Entry {
  readonly id: Id;
  readonly authorId: Id;
  /** Up to `following`. */
  readonly json: string;
}

/**
 * Lists of articles. At most one statement per shard, plus one on the viewer's shard to tell whom the viewer follows, plus
 * one where a list lies elsewhere than its articles; with one shard, one statement in all. PostgreSQL gives sort keys and JSON fragments, which are merged by the key and put
 * together as they are.
 */
@Injectable()
export class ArticlePages {
  constructor(
    private readonly shards: Shards,
    private readonly profiles: ProfilesFacade,
  ) {}

  async read(selection: Selection, viewer: Id | undefined, page: Page): Promise<RawJson> {
    const alone = this.shards.shardNames.length === 1;
    if (alone || selection.at !== undefined) return this.readFromOne(selection, viewer, page, alone);
    if (selection.listedAt !== undefined) return this.readListed(selection, selection.listedAt, viewer, page);
    if (page.offset > DEEP_OFFSET) return this.readDeep(selection, viewer, page);
    const size = sizeFor(page.offset + page.limit);
    const rows = await this.readFromAll(selection, viewer, { size, offset: false, followed: false });
    return this.assemble(rows.map(entriesOf), viewer, page, totalOf(rows));
  }

  private async readFromOne(
    selection: Selection,
    viewer: Id | undefined,
    page: Page,
    alone: boolean,
  ): Promise<RawJson> {
    const size = sizeFor(page.limit);
    const shape: ListShape = {
      size,
      offset: page.offset > 0,
      viewer: viewer !== undefined,
      // Where the page is as long as what the statement gives, nothing is left to do here.
      followed: alone && viewer !== undefined && page.limit === size,
    };
    const own = valuesOn(this.shards.shardNames[0]!, selection) ?? [];
    const values = [...own, ...(viewer ? [viewer] : []), ...(page.offset > 0 ? [page.offset] : [])];
    const statement = withValues(listStatement(selection, shape), values);
    const rows =
      selection.at === undefined
        ? (await this.shards.scatter<ListRow | WholeRow>(statement))[0]!
        : await this.shards.query<ListRow | WholeRow>(selection.at, statement);
    const row = rows[0]!;
    if (shape.followed) return answer((row as WholeRow)[1] ?? '', Number(row[0]));
    const entries = entriesOf(row as ListRow);
    return this.assemble([entries], viewer, { limit: page.limit, offset: 0 }, Number(row[0]));
  }

  private async readDeep(selection: Selection, viewer: Id | undefined, page: Page): Promise<RawJson> {
    const statement = idStatement(selection, sizeFor(page.offset + page.limit));
    const found = await this.scatter<IdRow>(selection, statement, []);
    const ids = mergeOrdered(
      found.map((row) => linesOf(row[1])),
      (a, b) => (a > b ? -1 : a < b ? 1 : 0),
      page.limit,
      page.offset,
    );
    return this.readPicked(ids, totalOf(found), viewer, page);
  }

  private async readListed(
    selection: Selection,
    place: Id,
    viewer: Id | undefined,
    page: Page,
  ): Promise<RawJson> {
    const offset = page.offset > 0;
    const own = valuesOn(await this.shards.shardOf(place), selection) ?? [];
    const statement = withValues(
      idStatement(selection, sizeFor(page.limit), offset),
      offset ? [...own, page.offset] : own,
    );
    const [row] = await this.shards.query<IdRow>(place, statement);
    return this.readPicked(linesOf(row![1]).slice(0, page.limit), Number(row![0]), viewer, page);
  }

  /** A page whose articles are known by their ids, newest first; only the shards that have any are asked. */
  async readPicked(ids: readonly Id[], total: number, viewer: Id | undefined, page: Page): Promise<RawJson> {
    if (ids.length === 0) return answer('', total);
    const byShard = new Map<string, Id[]>();
    for (const id of ids) {
      const shard = await this.shards.shardOf(id);
      const there = byShard.get(shard);
      if (there) there.push(id);
      else byShard.set(shard, [id]);
    }
    const rows = await this.readFromAll(
      picked((shard) => byShard.get(shard)),
      viewer,
      { size: sizeFor(page.limit), offset: false, followed: false },
    );
    return this.assemble(rows.map(entriesOf), viewer, { limit: page.limit, offset: 0 }, total);
  }

  private readFromAll(
    selection: Selection,
    viewer: Id | undefined,
    shape: Omit<ListShape, 'viewer'>,
  ): Promise<ListRow[]> {
    const statement = listStatement(selection, { ...shape, viewer: viewer !== undefined });
    return this.scatter<ListRow>(selection, statement, viewer === undefined ? [] : [viewer]);
  }

  /** The one row of each shard that is asked. */
  private async scatter<R>(
    selection: Selection,
    statement: Statement,
    more: readonly unknown[],
  ): Promise<R[]> {
    const lists = await this.shards.scatter<R>((shard) => {
      const values = valuesOn(shard, selection);
      return values && withValues(statement, more.length === 0 ? values : [...values, ...more]);
    });
    return lists.map((rows) => rows[0]!);
  }

  private async assemble(
    lists: readonly (readonly Entry[])[],
    viewer: Id | undefined,
    page: Page,
    total: number,
  ): Promise<RawJson> {
    const entries = mergeOrdered(lists, newestFirst, page.limit, page.offset);
    const authors = viewer === undefined ? [] : [...new Set(entries.map(({ authorId }) => authorId))];
    const followed = await this.profiles.followedAmong(viewer, authors);
    const articles = entries.map(
      ({ json, authorId }) => json + (followed.has(authorId) ? 'true}}' : 'false}}'),
    );
    return answer(articles.join(','), total);
  }
}

function answer(articles: string, total: number): RawJson {
  return new RawJson(`{"articles":[${articles}],"articlesCount":${total}}`);
}

function withValues({ name, text, rowMode }: Statement, values: readonly unknown[]): Statement {
  return { name, text, rowMode, values };
}

function valuesOn(shard: string, { values }: Selection): readonly unknown[] | undefined {
  return typeof values === 'function' ? values(shard) : values;
}

/** Each shard tells its own number. */
function totalOf(rows: readonly (ListRow | IdRow)[]): number {
  return rows.reduce((total, row) => total + Number(row[0]), 0);
}

function entriesOf([, ids, authors, fragments]: ListRow): Entry[] {
  const [author, json] = [linesOf(authors), linesOf(fragments)];
  return linesOf(ids).map((id, i) => ({ id, authorId: author[i]!, json: json[i]! }));
}

function linesOf(text: string | null): string[] {
  return text === null ? [] : text.split('\n');
}

function newestFirst(a: Entry, b: Entry): number {
  return a.id > b.id ? -1 : a.id < b.id ? 1 : 0;
}

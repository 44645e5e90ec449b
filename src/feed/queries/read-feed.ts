import { Injectable } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import type { RawJson } from '@rookery/http';
import { Shards } from '@rookery/sharding';
import { ArticlePages, type Page, type Selection } from '../../articles/index.js';
import * as sql from '../data/feed.sql.js';

/** Of each author the newest, by index. `{authors}` stands for rows of `author_id`. */
const NEWEST = `SELECT newest.id FROM {authors}
  CROSS JOIN LATERAL (SELECT a.id FROM article a WHERE a.author_id = pulled.author_id ORDER BY a.author_id, a.id DESC LIMIT {most}) newest`;

/**
 * The feed of a user: what was written into it, and what authors who have too many followers for that have written, merged.
 * One statement on the user's shard tells both; then one on each shard that has any article of the page.
 */
@Injectable()
export class ReadFeed {
  constructor(
    private readonly shards: Shards,
    private readonly pages: ArticlePages,
  ) {}

  async run(user: Id, page: Page): Promise<RawJson> {
    if (this.shards.shardNames.length === 1) return this.pages.read(onOneShard(user), user, page);
    const [row] = await this.shards.query<sql.PageRow>(user, sql.page(user, page.limit, page.offset));
    const [total, ids, authors] = [row![0], linesOf(row![1]), linesOf(row![2])];
    if (authors.length === 0) return this.pages.readPicked(ids, total, user, page);
    return this.pages.read(await this.merged(ids, total, authors), user, page);
  }

  /** What the feed has itself goes to the shards where it lies, beside the authors whom they are asked for. */
  private async merged(ids: readonly Id[], total: number, authors: readonly Id[]): Promise<Selection> {
    const [idsOn, authorsOn] = [await this.byShard(ids), await this.byShard(authors)];
    const first = this.shards.shardNames.find((shard) => idsOn.has(shard) || authorsOn.has(shard));
    return {
      name: 'feed.merged',
      ids: `SELECT id FROM (
          ${NEWEST.replace('{authors}', 'unnest($1::uuid[]) AS pulled (author_id)')}
          UNION ALL SELECT a.id FROM article a WHERE a.id = ANY($2::uuid[])) AS feed
        ORDER BY id DESC`,
      count:
        'SELECT coalesce(sum(articles), 0)::int + $3::int FROM author_stat WHERE author_id = ANY($1::uuid[])',
      // What it has itself is counted once, wherever it lies.
      values: (shard) =>
        idsOn.has(shard) || authorsOn.has(shard)
          ? [authorsOn.get(shard) ?? [], idsOn.get(shard) ?? [], shard === first ? total : 0]
          : undefined,
      arity: 3,
    };
  }

  private async byShard(ids: readonly Id[]): Promise<Map<string, Id[]>> {
    const lists = new Map<string, Id[]>();
    for (const id of ids) {
      const shard = await this.shards.shardOf(id);
      const there = lists.get(shard);
      if (there) there.push(id);
      else lists.set(shard, [id]);
    }
    return lists;
  }
}

/** Where there is one shard, everything in one statement. */
function onOneShard(user: Id): Selection {
  return {
    name: 'feed',
    ids: `SELECT id FROM (
        (SELECT article_id AS id FROM feed_entry WHERE user_id = $1 ORDER BY user_id DESC, article_id DESC LIMIT {most})
        UNION ALL
        ${NEWEST.replace('{authors}', '(SELECT author_id FROM feed_pull WHERE user_id = $1) AS pulled')}) AS feed
      ORDER BY id DESC`,
    count: `SELECT coalesce((SELECT articles FROM feed_stat WHERE user_id = $1), 0)
      + coalesce((SELECT sum(s.articles) FROM feed_pull p JOIN author_stat s ON s.author_id = p.author_id WHERE p.user_id = $1), 0)::int`,
    values: [user],
    arity: 1,
  };
}

function linesOf(text: string | null): Id[] {
  return text === null ? [] : text.split('\n');
}

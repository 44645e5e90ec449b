import { Injectable } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import { RawJson } from '@rookery/http';
import { Shards } from '@rookery/sharding';
import { ProfilesFacade } from '../../profiles/index.js';
import { articlesErrors } from '../articles.errors.js';
import * as sql from '../data/article.sql.js';
import { placeOfSlug } from '../slug.js';

/** One article: one statement on its shard, and one on the viewer's where that is another. */
@Injectable()
export class ShowArticle {
  constructor(
    private readonly shards: Shards,
    private readonly profiles: ProfilesFacade,
  ) {}

  /** @throws RK_ARTICLES_NOT_FOUND, without a statement where the text is no slug */
  async run(slug: string, viewer: Id | undefined): Promise<RawJson> {
    const place = placeOfSlug(slug);
    if (!place) throw articlesErrors.create('NOT_FOUND');
    const together = viewer !== undefined && this.shards.shardNames.length === 1;
    const statement = together ? sql.bySlugFollowed(slug, viewer) : sql.bySlug(slug, viewer ?? null);
    const [row] = await this.shards.query<sql.SingleRow>(place, statement);
    if (!row) throw articlesErrors.create('NOT_FOUND');
    if (together) return new RawJson(`{"article":${row[1]}}`);
    return this.finish(row, viewer);
  }

  /** Adds `following` to a row that came without it. */
  async finish([authorId, json]: sql.SingleRow, viewer: Id | undefined): Promise<RawJson> {
    const followed = await this.profiles.followedAmong(viewer, [authorId]);
    return new RawJson(`{"article":${json}${followed.has(authorId)}}}}`);
  }
}

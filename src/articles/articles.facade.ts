import { Injectable } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import type { RawJson } from '@rookery/http';
import { Shards, type ShardTransaction } from '@rookery/sharding';
import { articlesErrors } from './articles.errors.js';
import * as sql from './data/article.sql.js';
import { ShowArticle } from './queries/show-article.js';
import { placeOfSlug } from './slug.js';

const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/** What features that hang on an article may do with it. Each call is about one article, named by its slug. */
@Injectable()
export class ArticlesFacade {
  constructor(
    private readonly shards: Shards,
    private readonly showArticle: ShowArticle,
  ) {}

  /** The article as the viewer sees it. @throws RK_ARTICLES_NOT_FOUND */
  show(slug: string, viewer: Id | undefined): Promise<RawJson> {
    return this.showArticle.run(slug, viewer);
  }

  /** Rows of one statement on the article's shard. @throws RK_ARTICLES_NOT_FOUND for a text that is no slug */
  read<R>(slug: string, statement: Parameters<Shards['query']>[1]): Promise<R[]> {
    return this.shards.query<R>(this.place(slug), statement);
  }

  /** A transaction in the article's slot. */
  transaction<T>(slug: string, work: (tx: ShardTransaction) => Promise<T>): Promise<T> {
    return this.shards.transaction(this.place(slug), work);
  }

  /** Locks the article until the transaction ends and takes the next comment number. @throws RK_ARTICLES_NOT_FOUND */
  async nextComment(tx: ShardTransaction, slug: string): Promise<{ id: Id; number: number }> {
    const [row] = await tx.query<{ id: Id; number: number }>(sql.nextComment(slug));
    if (!row) throw articlesErrors.create('NOT_FOUND');
    return row;
  }

  /** @throws RK_ARTICLES_NOT_FOUND */
  async idIn(tx: ShardTransaction, slug: string): Promise<Id> {
    const [row] = await tx.query<{ id: Id }>(sql.idOfSlug(slug));
    if (!row) throw articlesErrors.create('NOT_FOUND');
    return row.id;
  }

  /**
   * Marks or unmarks the viewer's favorite, counts it once, and shows the article as it then is.
   * @param onChange told, inside the transaction, where it was not so before
   */
  async setFavorite(
    slug: string,
    viewer: Id,
    favorited: boolean,
    onChange: (tx: ShardTransaction, articleId: Id) => void,
  ): Promise<RawJson> {
    const row = await this.transaction(slug, async (tx) => {
      const [[changed], [shown]] = await Promise.all([
        tx.query<{ id: Id }>(favorited ? sql.favorite(slug, viewer) : sql.unfavorite(slug, viewer)),
        tx.query<sql.SingleRow>(sql.bySlug(slug, viewer)),
      ]);
      if (!shown) throw articlesErrors.create('NOT_FOUND');
      if (changed) onChange(tx, changed.id);
      return shown;
    });
    return this.showArticle.finish(row, viewer);
  }

  /**
   * Users who had favorited an article that is gone, `most` of those after a user, in the order of their ids. They are known
   * until the article's removal is complete. In the article's slot.
   */
  async favoritesOfDeleted(
    tx: ShardTransaction,
    articleId: Id,
    after: Id | undefined,
    most: number,
  ): Promise<Id[]> {
    const rows = await tx.query<{ userId: Id }>(sql.favoritesOfDeleted(articleId, after ?? FIRST_ID, most));
    return rows.map(({ userId }) => userId);
  }

  private place(slug: string) {
    const place = placeOfSlug(slug);
    if (!place) throw articlesErrors.create('NOT_FOUND');
    return place;
  }
}

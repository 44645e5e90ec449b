import { Injectable } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import { authorize } from '@rookery/security';
import { Shards, type ShardTransaction } from '@rookery/sharding';
import { articleAbilities } from '../abilities.js';
import { articlesErrors } from '../articles.errors.js';
import { articleDeleted, articleUntagged } from '../articles.events.js';
import * as sql from '../data/article.sql.js';
import { ArticleRemoval } from '../removal/article-removal.service.js';
import { placeOfSlug } from '../slug.js';

/** Port of features that keep rows of an article in its slot: what they delete with it, in the same transaction. */
export abstract class ArticleDependents {
  /** Sends statements on `tx`; the article is locked, and nothing can be added to it any more. */
  abstract deleteWith(tx: ShardTransaction, articleId: Id): void;
}

const FIRST_ROUND = 1;

/**
 * Deletes an article with everything beside it, in one transaction: all of it, or nothing. What lies elsewhere (feeds, lists
 * of favorites, the tags) follows by the events of that transaction, and a process sees to it that all of it does.
 */
@Injectable()
export class DeleteArticle {
  constructor(
    private readonly shards: Shards,
    private readonly dependents: ArticleDependents,
    private readonly removal: ArticleRemoval,
  ) {}

  /** @throws RK_ARTICLES_NOT_FOUND, RK_SECURITY_FORBIDDEN */
  async run(viewer: Id, slug: string): Promise<void> {
    const place = placeOfSlug(slug);
    if (!place) throw articlesErrors.create('NOT_FOUND');
    await this.shards.transaction(place, async (tx) => {
      const [article] = await tx.query<Pick<sql.LockedArticle, 'id' | 'authorId' | 'tagList'>>(
        sql.lockForDelete(slug),
      );
      if (!article) throw articlesErrors.create('NOT_FOUND');
      authorize(articleAbilities(viewer), 'delete', 'article', { authorId: article.authorId });
      tx.send(sql.remove(article.id));
      if (article.tagList.length > 0) tx.send(sql.dropTags(article.id, article.tagList));
      this.dependents.deleteWith(tx, article.id);
      const { id: articleId, authorId, tagList: tags } = article;
      tx.publish(
        articleDeleted({ articleId, authorId, tags }),
        ...tags.map((tag) => articleUntagged({ articleId, tag, removal: FIRST_ROUND })),
      );
      await this.removal.begin(tx, articleId, authorId, tags.length);
    });
  }
}

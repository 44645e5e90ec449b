import { Injectable } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import { authorize } from '@rookery/security';
import type { RawJson } from '@rookery/http';
import { Shards } from '@rookery/sharding';
import { articleAbilities } from '../abilities.js';
import { articlesErrors } from '../articles.errors.js';
import { articleEdited, articleTagged, articleUntagged } from '../articles.events.js';
import type { ArticleChange } from '../articles.schemas.js';
import * as sql from '../data/article.sql.js';
import { ShowArticle } from '../queries/show-article.js';
import { placeOfSlug, slugOf } from '../slug.js';

/** Changes an article, in one transaction. Another title gives another slug with the same suffix; the old one is gone. */
@Injectable()
export class EditArticle {
  constructor(
    private readonly shards: Shards,
    private readonly show: ShowArticle,
  ) {}

  /** @throws RK_ARTICLES_NOT_FOUND, RK_SECURITY_FORBIDDEN */
  async run(viewer: Id, slug: string, change: ArticleChange): Promise<RawJson> {
    const place = placeOfSlug(slug);
    if (!place) throw articlesErrors.create('NOT_FOUND');
    const row = await this.shards.transaction(place, async (tx) => {
      const [article] = await tx.query<sql.LockedArticle>(sql.lock(slug));
      if (!article) throw articlesErrors.create('NOT_FOUND');
      authorize(articleAbilities(viewer), 'update', 'article', { authorId: article.authorId });
      const title = change.title ?? article.title;
      const tagList = change.tagList ?? article.tagList;
      const newSlug = title === article.title ? article.slug : slugOf(title, article.id);
      tx.send(
        sql.update(
          article.id,
          newSlug,
          title,
          change.description ?? article.description,
          change.body ?? article.body,
          tagList,
        ),
      );
      const come = tagList.filter((tag) => !article.tagList.includes(tag));
      const go = article.tagList.filter((tag) => !tagList.includes(tag));
      if (come.length > 0) tx.send(sql.addTags(article.id, come));
      if (go.length > 0) tx.send(sql.dropTags(article.id, go));
      tx.publish(
        articleEdited({ articleId: article.id }),
        ...come.map((tag) => articleTagged({ articleId: article.id, tag })),
        ...go.map((tag) => articleUntagged({ articleId: article.id, tag })),
      );
      const [shown] = await tx.query<sql.SingleRow>(sql.bySlug(newSlug, viewer));
      if (!shown) throw articlesErrors.create('NOT_FOUND');
      return shown;
    });
    return this.show.finish(row, viewer);
  }
}

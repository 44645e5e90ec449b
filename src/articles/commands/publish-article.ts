import { Injectable } from '@nestjs/common';
import { newIdIn, timeOfId, type Id } from '@rookery/kernel';
import { RawJson } from '@rookery/http';
import { Shards } from '@rookery/sharding';
import { articlesErrors } from '../articles.errors.js';
import { articlePublished, articleTagged } from '../articles.events.js';
import type { NewArticle } from '../articles.schemas.js';
import * as sql from '../data/article.sql.js';
import { slugOf } from '../slug.js';

/** Publishes an article: one transaction in its author's slot, in which its tags are listed and counted. */
@Injectable()
export class PublishArticle {
  constructor(private readonly shards: Shards) {}

  /** @throws RK_ARTICLES_NO_AUTHOR */
  async run(author: Id, { title, description, body, tagList = [] }: NewArticle): Promise<RawJson> {
    const id = newIdIn(author);
    const slug = slugOf(title, id);
    const at = new Date(timeOfId(id));
    const statement =
      tagList.length === 0
        ? sql.createUntagged(id, author, slug, title, description, body, at)
        : sql.create(id, author, slug, title, description, body, tagList, at);
    const made = await this.shards.transaction(author, async (tx) => {
      const [row] = await tx.query<[card: string, author: string]>(statement);
      if (!row) throw articlesErrors.create('NO_AUTHOR');
      tx.publish(
        articlePublished({ articleId: id, authorId: author, tags: tagList }),
        ...tagList.map((tag) => articleTagged({ articleId: id, tag })),
      );
      return row;
    });
    return new RawJson(
      `{"article":${made[0]},"body":${JSON.stringify(body)},"favorited":false,"favoritesCount":0,"author":${made[1]},"following":false}}}`,
    );
  }
}

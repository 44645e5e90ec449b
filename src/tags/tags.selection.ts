import { Injectable } from '@nestjs/common';
import { TaggedArticles, type Selection } from '../articles/index.js';

/** Articles of a tag, read across shards: an article's tags lie beside it. */
@Injectable()
export class TagsSelection extends TaggedArticles {
  override tagged(tag: string): Selection {
    return {
      name: 'tag',
      ids: 'SELECT article_id AS id FROM article_tag WHERE tag = $1 ORDER BY tag, article_id DESC',
      count: 'SELECT coalesce(sum(articles), 0)::int FROM tag_total WHERE tag = $1',
      values: [tag],
      arity: 1,
    };
  }
}

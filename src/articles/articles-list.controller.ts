import { Controller, Get, Query } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import { Cached } from '@rookery/cache';
import { Endpoint, RawJson } from '@rookery/http';
import { OptionalViewer, Viewer } from '@rookery/security';
import { seenBy } from '../users/index.js';
import { ARTICLES, KEPT } from './articles.cache.js';
import * as schemas from './articles.schemas.js';
import { ArticlePages } from './queries/article-pages.js';
import { SelectArticles } from './queries/select-articles.js';

const EMPTY = new RawJson('{"articles":[],"articlesCount":0}');

@Controller('articles')
export class ArticlesListController {
  constructor(
    private readonly pages: ArticlePages,
    private readonly selectArticles: SelectArticles,
  ) {}

  @Get()
  @OptionalViewer()
  @Cached({
    // What somebody favored is a read model, which follows the write: it is not kept.
    tags: ({ query, viewer }) =>
      query['favorited'] === undefined ? [ARTICLES, ...seenBy(viewer)] : undefined,
    query: ['tag', 'author', 'favorited', 'limit', 'offset'],
    viewer: true,
    early: true,
    ...KEPT,
  })
  @Endpoint({
    operationId: 'GetArticles',
    summary: 'Articles, newest first',
    tags: ['Articles'],
    auth: 'optional',
    responses: {
      200: schemas.articlesResponse,
      401: 'Never: here, a bad token is treated as none',
      422: 'A field is at fault',
    },
  })
  async list(
    @Viewer() viewer: Id | undefined,
    @Query({ schema: schemas.listQuery }) query: schemas.ListQuery,
  ) {
    const selection = await this.selectArticles.by(query);
    if (!selection) return EMPTY;
    return this.pages.read(selection, viewer, { limit: query.limit ?? 20, offset: query.offset ?? 0 });
  }
}

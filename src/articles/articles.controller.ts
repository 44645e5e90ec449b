import { Body, Controller, Delete, Get, Param, Post, Put } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import { Cached } from '@rookery/cache';
import { Endpoint, text } from '@rookery/http';
import { Authenticated, OptionalViewer, Viewer } from '@rookery/security';
import { seenBy } from '../users/index.js';
import { articleTagOfSlug, KEPT } from './articles.cache.js';
import * as schemas from './articles.schemas.js';
import { DeleteArticle } from './commands/delete-article.js';
import { EditArticle } from './commands/edit-article.js';
import { PublishArticle } from './commands/publish-article.js';
import { ShowArticle } from './queries/show-article.js';

const TAGS = ['Articles'];
const slugParam = { schema: text() };

@Controller('articles')
export class ArticlesController {
  constructor(
    private readonly showArticle: ShowArticle,
    private readonly publishArticle: PublishArticle,
    private readonly editArticle: EditArticle,
    private readonly deleteArticle: DeleteArticle,
  ) {}

  @Post()
  @Authenticated()
  @Endpoint({
    operationId: 'CreateArticle',
    summary: 'Publish an article',
    tags: TAGS,
    auth: 'required',
    responses: {
      201: schemas.articleResponse,
      401: 'Not signed in',
      409: 'Never: each article gets a slug of its own',
      422: 'A field is at fault',
    },
  })
  create(
    @Viewer() viewer: Id,
    @Body({ schema: schemas.newArticle }) { article }: { article: schemas.NewArticle },
  ) {
    return this.publishArticle.run(viewer, article);
  }

  @Get(':slug')
  @OptionalViewer()
  @Cached({
    tags: ({ params, viewer }) => [articleTagOfSlug(params['slug']), ...seenBy(viewer)],
    viewer: true,
    early: true,
    ...KEPT,
  })
  @Endpoint({
    operationId: 'GetArticle',
    summary: 'An article',
    tags: TAGS,
    auth: 'optional',
    responses: { 200: schemas.articleResponse, 404: 'No such article', 422: 'A field is at fault' },
  })
  show(@Viewer() viewer: Id | undefined, @Param('slug', slugParam) slug: string) {
    return this.showArticle.run(slug, viewer);
  }

  @Put(':slug')
  @Authenticated()
  @Endpoint({
    operationId: 'UpdateArticle',
    summary: 'Change an article of your own',
    tags: TAGS,
    auth: 'required',
    responses: {
      200: schemas.articleResponse,
      401: 'Not signed in',
      403: 'Not yours',
      404: 'No such article',
      422: 'A field is at fault',
    },
  })
  update(
    @Viewer() viewer: Id,
    @Param('slug', slugParam) slug: string,
    @Body({ schema: schemas.updateArticle }) { article }: { article: schemas.ArticleChange },
  ) {
    return this.editArticle.run(viewer, slug, article);
  }

  @Delete(':slug')
  @Authenticated()
  @Endpoint({
    operationId: 'DeleteArticle',
    summary: 'Delete an article of your own',
    tags: TAGS,
    auth: 'required',
    responses: {
      204: 'Deleted',
      401: 'Not signed in',
      403: 'Not yours',
      404: 'No such article',
      422: 'A field is at fault',
    },
  })
  remove(@Viewer() viewer: Id, @Param('slug', slugParam) slug: string) {
    return this.deleteArticle.run(viewer, slug);
  }
}

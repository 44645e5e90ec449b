import { Body, Controller, Delete, Get, Param, Post } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import { Cached } from '@rookery/cache';
import { Endpoint, text } from '@rookery/http';
import { Authenticated, OptionalViewer, Viewer } from '@rookery/security';
import { articleTagOfSlug, KEPT } from '../articles/index.js';
import { seenBy } from '../users/index.js';
import { commentsTagOfSlug } from './comments.cache.js';
import * as schemas from './comments.schemas.js';
import { Comments } from './comments.service.js';

const TAGS = ['Comments'];
const slugParam = { schema: text() };

@Controller('articles/:slug/comments')
export class CommentsController {
  constructor(private readonly comments: Comments) {}

  @Get()
  @OptionalViewer()
  @Cached({
    tags: ({ params: { slug }, viewer }) => [
      commentsTagOfSlug(slug),
      articleTagOfSlug(slug),
      ...seenBy(viewer),
    ],
    viewer: true,
    early: true,
    ...KEPT,
  })
  @Endpoint({
    operationId: 'GetArticleComments',
    summary: 'Comments of an article',
    tags: TAGS,
    auth: 'optional',
    responses: {
      200: schemas.commentsResponse,
      401: 'Never: here, a bad token is treated as none',
      404: 'No such article',
      422: 'A field is at fault',
    },
  })
  list(@Viewer() viewer: Id | undefined, @Param('slug', slugParam) slug: string) {
    return this.comments.list(slug, viewer);
  }

  @Post()
  @Authenticated()
  @Endpoint({
    operationId: 'CreateArticleComment',
    summary: 'Comment on an article',
    tags: TAGS,
    auth: 'required',
    responses: {
      201: schemas.commentResponse,
      401: 'Not signed in',
      404: 'No such article',
      422: 'A field is at fault',
    },
  })
  add(
    @Viewer() viewer: Id,
    @Param('slug', slugParam) slug: string,
    @Body({ schema: schemas.newComment }) { comment }: { comment: schemas.NewComment },
  ) {
    return this.comments.add(slug, viewer, comment.body);
  }

  @Delete(':id')
  @Authenticated()
  @Endpoint({
    operationId: 'DeleteArticleComment',
    summary: 'Delete a comment of your own',
    tags: TAGS,
    auth: 'required',
    responses: {
      204: 'Deleted',
      401: 'Not signed in',
      403: 'Not yours',
      404: 'No such article or comment',
      422: 'A field is at fault',
    },
  })
  remove(
    @Viewer() viewer: Id,
    @Param('slug', slugParam) slug: string,
    @Param('id', { schema: schemas.commentId }) id: number,
  ) {
    return this.comments.remove(slug, id, viewer);
  }
}

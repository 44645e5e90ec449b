import { Controller, Get, Query } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import { Endpoint } from '@rookery/http';
import { Authenticated, Viewer } from '@rookery/security';
import { articlesResponse, pageQuery } from '../articles/index.js';
import type { z } from 'zod';
import { ReadFeed } from './queries/read-feed.js';

@Controller('articles/feed')
@Authenticated()
export class FeedController {
  constructor(private readonly feed: ReadFeed) {}

  @Get()
  @Endpoint({
    operationId: 'GetArticlesFeed',
    summary: 'Articles by the authors you follow, newest first',
    tags: ['Articles'],
    auth: 'required',
    responses: { 200: articlesResponse, 401: 'Not signed in', 422: 'A field is at fault' },
  })
  list(@Viewer() viewer: Id, @Query({ schema: pageQuery }) { limit, offset }: z.infer<typeof pageQuery>) {
    return this.feed.run(viewer, { limit: limit ?? 20, offset: offset ?? 0 });
  }
}

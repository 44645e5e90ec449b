import { Controller, Delete, Param, Post } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import { Endpoint, text } from '@rookery/http';
import { Authenticated, Viewer } from '@rookery/security';
import { articleResponse, ArticlesFacade } from '../articles/index.js';
import { articleFavorited, articleUnfavorited } from './favorites.events.js';

const responses = {
  200: articleResponse,
  401: 'Not signed in',
  404: 'No such article',
  422: 'A field is at fault',
};
const TAGS = ['Favorites'];
const slugParam = { schema: text() };

@Controller('articles/:slug/favorite')
@Authenticated()
export class FavoritesController {
  constructor(private readonly articles: ArticlesFacade) {}

  @Post()
  @Endpoint({
    operationId: 'CreateArticleFavorite',
    summary: 'Favorite an article',
    tags: TAGS,
    auth: 'required',
    responses,
  })
  add(@Viewer() viewer: Id, @Param('slug', slugParam) slug: string) {
    return this.articles.setFavorite(slug, viewer, true, (tx, articleId) =>
      tx.publish(articleFavorited({ articleId, userId: viewer })),
    );
  }

  @Delete()
  @Endpoint({
    operationId: 'DeleteArticleFavorite',
    summary: 'Unfavorite an article',
    tags: TAGS,
    auth: 'required',
    responses,
  })
  remove(@Viewer() viewer: Id, @Param('slug', slugParam) slug: string) {
    return this.articles.setFavorite(slug, viewer, false, (tx, articleId) =>
      tx.publish(articleUnfavorited({ articleId, userId: viewer })),
    );
  }
}

import { Module } from '@nestjs/common';
import { ArticlesModule, FavoritedArticles } from '../articles/index.js';
import { FavoritesController } from './favorites.controller.js';
import { FavoritesSelection } from './favorites.selection.js';
import { OnArticleDeleted } from './handlers/on-article-deleted.js';
import { OnFavorited } from './handlers/on-favorited.js';
import { OnUnfavorited } from './handlers/on-unfavorited.js';

@Module({
  imports: [ArticlesModule],
  controllers: [FavoritesController, OnFavorited, OnUnfavorited, OnArticleDeleted],
  providers: [{ provide: FavoritedArticles, useClass: FavoritesSelection }],
  exports: [FavoritedArticles],
})
export class FavoritesModule {}

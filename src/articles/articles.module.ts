import { Module, type DynamicModule, type ModuleMetadata } from '@nestjs/common';
import { ProfilesModule } from '../profiles/index.js';
import { UsersModule } from '../users/index.js';
import { ArticlesController } from './articles.controller.js';
import { ArticlesFacade } from './articles.facade.js';
import { ArticlesListController } from './articles-list.controller.js';
import { DeleteArticle } from './commands/delete-article.js';
import { EditArticle } from './commands/edit-article.js';
import { PublishArticle } from './commands/publish-article.js';
import { OnRemovalConfirmed } from './handlers/on-removal-confirmed.js';
import { OnRemovalTimedOut } from './handlers/on-removal-timed-out.js';
import { OnRemovalTold } from './handlers/on-removal-told.js';
import { ArticlePages } from './queries/article-pages.js';
import { SelectArticles } from './queries/select-articles.js';
import { ShowArticle } from './queries/show-article.js';
import { ArticleRemoval } from './removal/article-removal.service.js';
import { RemovalOptions } from './removal/removal.options.js';

/** What other features stand on. */
@Module({
  imports: [ProfilesModule],
  providers: [ArticlesFacade, ArticlePages, ShowArticle],
  exports: [ArticlesFacade, ArticlePages, ShowArticle],
})
export class ArticlesModule {}

/** The routes, which need the features that stand on articles: made in the composition root, with these. */
@Module({})
export class ArticlesHttpModule {
  /** @param features modules that export the ports FavoritedArticles, TaggedArticles and ArticleDependents */
  static with(features: NonNullable<ModuleMetadata['imports']>, removal: RemovalOptions): DynamicModule {
    return {
      module: ArticlesHttpModule,
      imports: [ArticlesModule, UsersModule, ...features],
      controllers: [
        ArticlesListController,
        ArticlesController,
        OnRemovalTold,
        OnRemovalConfirmed,
        OnRemovalTimedOut,
      ],
      providers: [
        PublishArticle,
        EditArticle,
        DeleteArticle,
        SelectArticles,
        ArticleRemoval,
        { provide: RemovalOptions, useValue: removal },
      ],
    };
  }
}

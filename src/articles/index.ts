export { ARTICLES, articleTag, articleTagOfSlug, KEPT } from './articles.cache.js';
export { ArticleDependents } from './commands/delete-article.js';
export { articlesSchema } from './data/articles.schema.js';
export { favoritesOfDeletedSchema } from './data/favorites-of-deleted.schema.js';
export { articlesErrors } from './articles.errors.js';
export {
  articleDeleted,
  articleEdited,
  articlePublished,
  articlesEvents,
  articleTagged,
  articleUntagged,
} from './articles.events.js';
export { ArticlesFacade } from './articles.facade.js';
export { FavoritedArticles, TaggedArticles } from './articles-list.ports.js';
export { ArticlesHttpModule, ArticlesModule } from './articles.module.js';
export { articleResponse, articlesResponse, pageQuery } from './articles.schemas.js';
export { ArticlePages } from './queries/article-pages.js';
export { SelectArticles, type ArticleFilters } from './queries/select-articles.js';
export type { Page, Selection } from './queries/selection.js';
export {
  articleRemovalAsked,
  articleRemovalTold,
  confirmationsOf,
  removalRound,
} from './removal/removal.events.js';
export { RemovalOptions } from './removal/removal.options.js';
export { slugOf } from './slug.js';

import type { Id } from '@rookery/kernel';
import { articleTag, articleTagOfSlug } from '../articles/index.js';

/** Tag of the comments on an article. */
export const commentsTag = (articleId: Id): string => `comments of ${articleTag(articleId)}`;

export const commentsTagOfSlug = (slug: string | undefined): string =>
  `comments of ${articleTagOfSlug(slug)}`;

import type { Id } from '@rookery/kernel';
import { SHORT_CODE_LENGTH, shortCodeOf } from '@rookery/sharding';

/** Tag of every list of articles. */
export const ARTICLES = 'articles';

/** Tag of what shows one article. */
export const articleTag = (articleId: Id): string => `article:${shortCodeOf(articleId)}`;

/** The same by any of its slugs, which all end in its code. */
export const articleTagOfSlug = (slug: string | undefined): string =>
  `article:${(slug ?? '').slice(-SHORT_CODE_LENGTH)}`;

/** Milliseconds for which answers are kept. What they are made of ends them: this is for what nobody has thought of. */
export const KEPT = { ttlMs: 300_000, staleMs: 60_000 } as const;

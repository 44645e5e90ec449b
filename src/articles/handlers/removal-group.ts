import type { Id } from '@rookery/kernel';

/** How removals go on: in the article's slot, wherever the confirmation was published. Nobody's answer waits for it. */
export const REMOVAL = {
  group: 'article-removal',
  at: ({ articleId }: { readonly articleId: Id }): Id => articleId,
} as const;

import type { Id } from '@rookery/kernel';

/** How the list of what a user has favorited follows: in the user's slot, those of one shard together. */
export const FAVORITED_LIST = {
  group: 'favorited-list',
  at: ({ userId }: { readonly userId: Id }): Id => userId,
  batch: true,
  readAfterWrite: true,
} as const;

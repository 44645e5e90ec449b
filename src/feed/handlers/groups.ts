import type { Id } from '@rookery/kernel';

/** Who follows whom, as the author's slot knows it. */
export const FOLLOWERS = {
  group: 'followers',
  at: ({ followee }: { readonly followee: Id }): Id => followee,
  readAfterWrite: true,
} as const;

/** What an author's followers are told, in the slot it was published in, which is the author's. */
export const AT_AUTHOR = { group: 'feed-fan-out', readAfterWrite: true } as const;

/** What is in a feed, in its reader's slot, those of one shard together. */
export const IN_FEED = {
  group: 'feed',
  at: ({ follower }: { readonly follower: Id }): Id => follower,
  batch: true,
  readAfterWrite: true,
} as const;

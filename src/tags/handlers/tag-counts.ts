import { natural, type NaturalKey } from '@rookery/sharding';

/** How the counts of tags follow: in the slot of each tag, those of one shard together. */
export const TAG_COUNTS = {
  group: 'tags',
  at: ({ tag }: { readonly tag: string }): NaturalKey => natural(tag),
  batch: true,
  readAfterWrite: true,
} as const;

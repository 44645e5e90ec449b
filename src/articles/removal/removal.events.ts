import { defineEvent, defineProcess, type DomainEvent } from '@rookery/events';
import { z } from 'zod';

/** Read models that keep something of an article elsewhere, and confirm that they have let go of it. */
export const REMOVAL_PARTS = ['favorited', 'feeds', 'tags'] as const;
export type RemovalPart = (typeof REMOVAL_PARTS)[number];

const part = z.enum(REMOVAL_PARTS);
const ofArticle = ({ articleId }: { readonly articleId: string }): string => articleId;
/** How often a part has been asked; what comes of an earlier time counts no more. */
const round = z.number().int().min(1);

/** For the events by which a part lets go: the round of the removal they belong to, if they belong to one. */
export const removalRound = round.optional();

/** Parts that have not confirmed in time are to begin again. Published in the article's slot, as all of this. */
export const articleRemovalAsked = defineEvent({
  type: 'conduit.article-removal.asked',
  key: ofArticle,
  schema: z.object({ articleId: z.uuid(), authorId: z.uuid(), parts: z.array(part), round }),
});

/** A part has told so many places more to let go; with `last`, it has told all. */
export const articleRemovalTold = defineEvent({
  type: 'conduit.article-removal.told',
  key: ofArticle,
  schema: z.object({ articleId: z.uuid(), part, round, places: z.number().int().min(0), last: z.boolean() }),
});

/** So many places more have let go. Published by where they are, with its commit. */
export const articleRemovalConfirmed = defineEvent({
  type: 'conduit.article-removal.confirmed',
  key: ofArticle,
  schema: z.object({ articleId: z.uuid(), part, round, places: z.number().int().min(1) }),
});

const progress = z.object({
  round,
  places: z.number().int(),
  gone: z.number().int(),
  told: z.boolean(),
});

/** How far each part is. Its id is the article's. */
export const articleRemoval = defineProcess({
  name: 'article-removal',
  state: z.object({ authorId: z.uuid(), round, parts: z.record(part, progress) }),
});

export const removalEvents = [
  articleRemovalAsked,
  articleRemovalTold,
  articleRemovalConfirmed,
  articleRemoval.timedOut,
];

/** What a part confirms after it has let go in some places at once: one event for each article. */
export function confirmationsOf(
  of: RemovalPart,
  places: readonly { readonly articleId: string; readonly removal?: number | undefined }[],
): DomainEvent[] {
  const counts = new Map<string, { articleId: string; round: number; places: number }>();
  for (const { articleId, removal } of places) {
    if (removal === undefined) continue;
    const name = `${articleId} ${removal}`;
    const count = counts.get(name) ?? { articleId, round: removal, places: 0 };
    counts.set(name, { ...count, places: count.places + 1 });
  }
  return [...counts.values()].map((count) => articleRemovalConfirmed({ ...count, part: of }));
}

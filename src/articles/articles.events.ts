import { defineEvent } from '@rookery/events';
import { z } from 'zod';
import { removalEvents, removalRound } from './removal/removal.events.js';

const article = z.object({ articleId: z.uuid(), authorId: z.uuid(), tags: z.array(z.string()) });
const tagOfArticle = z.object({ articleId: z.uuid(), tag: z.string() });
const tagOfNoArticle = tagOfArticle.extend({ removal: removalRound });

/** An article appeared. Published in its author's slot, as all that happens to it. */
export const articlePublished = defineEvent({
  type: 'conduit.article.published',
  key: ({ articleId }) => articleId,
  schema: article,
});

/** Anything of an article is another from now on. */
export const articleEdited = defineEvent({
  type: 'conduit.article.edited',
  key: ({ articleId }) => articleId,
  schema: z.object({ articleId: z.uuid() }),
});

/** An article is gone, with everything beside it. `tags` are those it had. */
export const articleDeleted = defineEvent({
  type: 'conduit.article.deleted',
  key: ({ articleId }) => articleId,
  schema: article,
});

/**
 * An article carries a tag from now on: when it is published with it, or given it later. One event per tag, since each has
 * its effect elsewhere; keyed by both, since a tag alone would make all who publish under it wait for each other's commit.
 */
export const articleTagged = defineEvent({
  type: 'conduit.article.tagged',
  key: ({ articleId, tag }) => `${articleId} ${tag}`,
  schema: tagOfArticle,
});

/** An article carries a tag no longer: it was taken off, or the article is gone. */
export const articleUntagged = defineEvent({
  type: 'conduit.article.untagged',
  key: ({ articleId, tag }) => `${articleId} ${tag}`,
  schema: tagOfNoArticle,
});

export const articlesEvents = [
  articlePublished,
  articleEdited,
  articleDeleted,
  articleTagged,
  articleUntagged,
  ...removalEvents,
];

import { defineEvent } from '@rookery/events';
import { z } from 'zod';

const comment = z.object({ articleId: z.uuid(), number: z.int() });

/** Somebody commented on an article. Published in the article's slot. */
export const commentAdded = defineEvent({
  type: 'conduit.comment.added',
  key: ({ articleId }) => articleId,
  schema: comment,
});

/** Somebody took a comment of theirs back. */
export const commentRemoved = defineEvent({
  type: 'conduit.comment.removed',
  key: ({ articleId }) => articleId,
  schema: comment,
});

export const commentsEvents = [commentAdded, commentRemoved];

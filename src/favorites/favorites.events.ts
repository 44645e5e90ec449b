import { defineEvent } from '@rookery/events';
import { z } from 'zod';
import { removalRound } from '../articles/index.js';

const favorite = z.object({ articleId: z.uuid(), userId: z.uuid() });

/** Somebody favorited an article. Published in the article's slot. */
export const articleFavorited = defineEvent({
  type: 'conduit.article.favorited',
  key: ({ articleId }) => articleId,
  schema: favorite,
});

/** Somebody's favorite ended: they took it back, or the article is gone. */
export const articleUnfavorited = defineEvent({
  type: 'conduit.article.unfavorited',
  key: ({ articleId }) => articleId,
  schema: favorite.extend({ removal: removalRound }),
});

/** An article that is gone had more favorites than one transaction tells of: the next ones are due. */
export const articleUnfavoriting = defineEvent({
  type: 'conduit.article.unfavoriting',
  key: ({ articleId }) => articleId,
  schema: z.object({ articleId: z.uuid(), after: z.uuid().optional(), removal: removalRound }),
});

export const favoritesEvents = [articleFavorited, articleUnfavorited, articleUnfavoriting];

import type { AnyEventDefinition, EventDefinition } from '@rookery/events';
import { ARTICLES, articleDeleted, articleEdited, articlePublished, articleTag } from '../articles/index.js';
import { commentAdded, commentRemoved, commentsTag } from '../comments/index.js';
import { articleFavorited, articleUnfavorited } from '../favorites/index.js';
import { profileFollowed, profileUnfollowed } from '../profiles/index.js';
import { tagListChanged, TAGS } from '../tags/index.js';
import { PEOPLE, userChanged, viewerTag } from '../users/index.js';

/** What an event makes stale, as tags of cached answers. */
export interface StaleRule {
  readonly event: AnyEventDefinition;
  readonly tags: (data: unknown) => readonly string[];
  /** The event tells of a read model that followed a write: the write's answer waits for it. */
  readonly followsWrite: boolean;
}

function rule<D>(
  event: EventDefinition<D>,
  tags: (data: D) => readonly string[],
  followsWrite = false,
): StaleRule {
  return { event, tags: tags as StaleRule['tags'], followsWrite };
}

/** All of what is cached and can become stale: every event that changes what a cached route shows is here. */
export const staleRules: readonly StaleRule[] = [
  rule(userChanged, () => [PEOPLE]),
  rule(profileFollowed, ({ follower }) => [viewerTag(follower)]),
  rule(profileUnfollowed, ({ follower }) => [viewerTag(follower)]),
  rule(articlePublished, () => [ARTICLES]),
  rule(articleEdited, ({ articleId }) => [ARTICLES, articleTag(articleId)]),
  rule(articleDeleted, ({ articleId }) => [ARTICLES, articleTag(articleId), commentsTag(articleId)]),
  rule(articleFavorited, ({ articleId, userId }) => [ARTICLES, articleTag(articleId), viewerTag(userId)]),
  rule(articleUnfavorited, ({ articleId, userId }) => [ARTICLES, articleTag(articleId), viewerTag(userId)]),
  rule(commentAdded, ({ articleId }) => [commentsTag(articleId)]),
  rule(commentRemoved, ({ articleId }) => [commentsTag(articleId)]),
  rule(tagListChanged, () => [TAGS], true),
];

import { defineEvent } from '@rookery/events';
import { z } from 'zod';
import { removalRound } from '../articles/index.js';

const one = { follower: z.uuid(), author: z.uuid() };
const ofFollower = ({ follower }: { readonly follower: string }): string => follower;

/*
 * What an author's slot tells the feeds of followers. All keyed by the follower: what one author's slot says to one feed
 * arrives in the order it was said.
 */

/** Articles of the author belong into the feed. */
export const feedAdded = defineEvent({
  type: 'conduit.feed.added',
  key: ofFollower,
  schema: z.object({ ...one, articles: z.array(z.uuid()) }),
});

/** Articles of the author belong there no longer. */
export const feedRemoved = defineEvent({
  type: 'conduit.feed.removed',
  key: ofFollower,
  schema: z.object({ ...one, articles: z.array(z.uuid()), removal: removalRound }),
});

/** Nothing of the author belongs there any more. */
export const feedLeft = defineEvent({
  type: 'conduit.feed.left',
  key: ofFollower,
  schema: z.object(one),
});

/** From now on the feed asks for the author's articles when it is read, and has none of them itself. */
export const feedPulled = defineEvent({
  type: 'conduit.feed.pulled',
  key: ofFollower,
  schema: z.object(one),
});

/** A new follower is owed what the author wrote before an article. Handled in the author's slot. */
export const feedBackfill = defineEvent({
  type: 'conduit.feed.backfill',
  key: ofFollower,
  schema: z.object({ ...one, before: z.uuid() }),
});

export const feedEvents = [feedAdded, feedRemoved, feedLeft, feedPulled, feedBackfill];

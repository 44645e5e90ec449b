import { defineEvent } from '@rookery/events';
import { z } from 'zod';

const follow = z.object({ follower: z.uuid(), followee: z.uuid() });

/** Somebody began to follow somebody. Published in the follower's slot. */
export const profileFollowed = defineEvent({
  type: 'conduit.profile.followed',
  key: ({ follower }) => follower,
  schema: follow,
});

/** Somebody ended it. */
export const profileUnfollowed = defineEvent({
  type: 'conduit.profile.unfollowed',
  key: ({ follower }) => follower,
  schema: follow,
});

export const profilesEvents = [profileFollowed, profileUnfollowed];

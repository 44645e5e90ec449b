import { defineEvent } from '@rookery/events';
import { z } from 'zod';

/** What others see of a user is another from now on: name, bio or image. */
export const userChanged = defineEvent({
  type: 'conduit.user.changed',
  key: ({ userId }) => userId,
  schema: z.object({ userId: z.uuid() }),
});

export const usersEvents = [userChanged];

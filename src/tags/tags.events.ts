import { defineEvent } from '@rookery/events';
import { z } from 'zod';

/** The list of tags is another from now on: the first article carries this one, or none any more. */
export const tagListChanged = defineEvent({
  type: 'conduit.tags.changed',
  key: ({ tag }) => tag,
  schema: z.object({ tag: z.string() }),
});

export const tagsEvents = [tagListChanged];

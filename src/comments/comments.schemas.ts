import { z } from 'zod';
import { integerParameter, text } from '@rookery/http';
import { profile } from '../profiles/index.js';

export const newComment = z
  .object({
    comment: z.object({
      body: text({ max: 65_536 }).refine((value) => value.trim() !== '', { error: "can't be blank" }),
    }),
  })
  .meta({ id: 'NewCommentRequest', example: { comment: { body: 'No straw?' } } });
export type NewComment = z.infer<typeof newComment>['comment'];

/** A number beyond what a comment can have is a comment that does not exist, not a fault of form. */
export const commentId = integerParameter({ min: 0 });

const comment = z.object({
  id: z.number().int().meta({ example: 1 }),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  body: z.string(),
  author: profile,
});

export const commentResponse = z
  .object({ comment })
  .meta({ id: 'SingleCommentResponse', description: 'A comment' });
export const commentsResponse = z
  .object({ comments: z.array(comment) })
  .meta({ id: 'MultipleCommentsResponse', description: 'Comments of an article, newest first' });

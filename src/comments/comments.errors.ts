import { defineErrors } from '@rookery/kernel';

export const commentsErrors = defineErrors('COMMENTS', {
  NOT_FOUND: { status: 404, message: 'the article has no comment of this number' },
});

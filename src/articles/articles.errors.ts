import { defineErrors } from '@rookery/kernel';

export const articlesErrors = defineErrors('ARTICLES', {
  NOT_FOUND: { status: 404, message: 'no article has this slug' },
  NO_AUTHOR: { status: 401, message: 'the account of this token does not exist' },
});

import { defineErrors } from '@rookery/kernel';

export const usersErrors = defineErrors('USERS', {
  BAD_CREDENTIALS: { status: 401, message: 'no account has this e-mail and this password' },
  NO_ACCOUNT: { status: 401, message: 'the account of this token does not exist' },
  NAME_TAKEN: { status: 422, message: 'the new {kind} is taken' },
  CHANGING: {
    status: 503,
    message: 'the account was changed by others all the while',
    retryable: true,
  },
});

import { defineErrors } from '@rookery/kernel';

export const securityErrors = defineErrors('SECURITY', {
  TOKEN_MISSING: { status: 401, message: 'a token is required' },
  TOKEN_INVALID: { status: 401, message: 'the token is not valid: {reason}' },
  TOKEN_TOO_LONG: {
    status: 500,
    message: 'a token of {length} characters would be refused: the limit is {limit}',
  },
  FORBIDDEN: { status: 403, message: 'not allowed to {action} this {subject}' },
  BAD_ABILITY: {
    status: 500,
    message:
      'the condition {field} of the rule for {subject} has no value: the rule would match objects without it',
  },
  BUSY: { status: 503, message: 'too many passwords wait to be checked', retryable: true },
  PASSWORD_TOO_LONG: { status: 422, message: 'a password is at most {limit} bytes' },
  BAD_HASH: { status: 500, message: 'the stored password hash cannot be read' },
  KEYS_MISSING: {
    status: 500,
    message: 'no keys to sign tokens with: set JWT_KEYS_FILE or JWT_SECRET',
  },
  KEYS_INVALID: { status: 500, message: 'the keys of {source} cannot be used: {reason}' },
});

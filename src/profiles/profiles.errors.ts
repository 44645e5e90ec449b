import { defineErrors } from '@rookery/kernel';

export const profilesErrors = defineErrors('PROFILES', {
  NOT_FOUND: { status: 404, message: 'no user has this name' },
});

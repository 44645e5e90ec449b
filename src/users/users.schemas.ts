import { z } from 'zod';
import { text } from '@rookery/http';

/** Longest values taken. What is longer is no name, and would not fit the directory's index. */
const NAME_MAX = 100;
const EMAIL_MAX = 254;
const PASSWORD_MIN = 8;
const PASSWORD_MAX = 1_000;

const notBlank = (value: string): boolean => value.trim() !== '';

const username = text({ max: NAME_MAX }).refine(notBlank, { error: "can't be blank" });
const email = text({ max: EMAIL_MAX })
  .refine(notBlank, { error: "can't be blank" })
  .refine((value) => value.trim() === '' || /^[^\s@]+@[^\s@]+$/.test(value), { error: 'is invalid' });
const password = text({ min: PASSWORD_MIN, max: PASSWORD_MAX });
const profileText = text({ max: 10_000 })
  .nullable()
  .transform((value) => (value === '' ? null : value));

export const newUser = z.object({ user: z.object({ username, email, password }) }).meta({
  id: 'NewUserRequest',
  example: { user: { username: 'ada', email: 'ada@example.com', password: 'correct horse' } },
});
export type NewUser = z.infer<typeof newUser>['user'];

export const login = z
  .object({
    user: z.object({
      email: text({ max: 10_000 }).refine(notBlank, { error: "can't be blank" }),
      password: text({ min: 1, max: 10_000 }),
    }),
  })
  .meta({
    id: 'LoginUserRequest',
    example: { user: { email: 'ada@example.com', password: 'correct horse' } },
  });
export type Login = z.infer<typeof login>['user'];

export const updateUser = z
  .object({
    user: z.object({
      username: username.optional(),
      email: email.optional(),
      password: password.optional(),
      bio: profileText.optional(),
      image: profileText.optional(),
    }),
  })
  .meta({ id: 'UpdateUserRequest', example: { user: { bio: 'Wrote the first program.' } } });
export type UserChange = z.infer<typeof updateUser>['user'];

export const userResponse = z
  .object({
    user: z.object({
      email: z.string(),
      token: z.string(),
      username: z.string(),
      bio: z.string().nullable(),
      image: z.string().nullable(),
    }),
  })
  .meta({ id: 'UserResponse', description: 'The signed-in user' });

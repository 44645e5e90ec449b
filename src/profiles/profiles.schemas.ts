import { z } from 'zod';

export const profile = z.object({
  username: z.string(),
  bio: z.string().nullable(),
  image: z.string().nullable(),
  following: z.boolean(),
});

export const profileResponse = z
  .object({ profile })
  .meta({ id: 'ProfileResponse', description: 'A profile' });

import { prepared } from '@rookery/sharding';

/** A user's own account. */
export interface AccountRow {
  readonly id: string;
  readonly username: string;
  readonly email: string;
  readonly bio: string | null;
  readonly image: string | null;
}

export interface CardRow {
  readonly id: string;
  readonly card: string;
}

export const account = prepared(
  'users.account',
  'SELECT id, username, email, bio, image FROM users WHERE id = $1',
);

export const accountForUpdate = prepared(
  'users.account-for-update',
  'SELECT id, username, email, bio, image FROM users WHERE id = $1 FOR UPDATE',
);

export const credentials = prepared(
  'users.credentials',
  `SELECT id, username, email, bio, image, password_hash AS "passwordHash"
   FROM users WHERE id = $1 AND lower(email) = $2`,
);

export const card = prepared('users.card', 'SELECT id, card FROM users WHERE id = $1');

export const cardByName = prepared(
  'users.card-by-name',
  'SELECT id, card FROM users WHERE id = $1 AND username = $2',
);

export const cards = prepared('users.cards', 'SELECT id, card FROM users WHERE id = ANY($1::uuid[])');

export const update = prepared(
  'users.update',
  `UPDATE users SET username = $2, email = $3, bio = $4, image = $5, password_hash = coalesce($6, password_hash),
     updated_at = greatest(now(), updated_at + interval '1 millisecond')
   WHERE id = $1`,
);

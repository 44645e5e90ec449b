import type { UniqueValue } from '@rookery/sharding';

/** Usernames differ by their letters as typed. */
export function usernameKey(username: string): UniqueValue {
  return { kind: 'username', value: username };
}

/** Two addresses that differ by case only reach one mailbox: they are one here, too. */
export function emailKey(email: string): UniqueValue {
  return { kind: 'email', value: foldEmail(email) };
}

export function foldEmail(email: string): string {
  return email.toLowerCase();
}

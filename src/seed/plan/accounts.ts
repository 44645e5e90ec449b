import { DEMO, SUFFIX } from '../corpus/people.js';
import { wordsOf } from './chance.js';

/**
 * The address of a seeded user. Names that differ by case only have addresses that differ by more, and nobody gets mail:
 * example.com is nobody's (RFC 2606).
 */
export function emailOf(username: string): string {
  if (username === DEMO) return `${DEMO}@example.com`;
  const [high, low] = wordsOf(username);
  const words = username
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  const code = high.toString(36) + low.toString(36);
  return `${words === '' ? '' : `${words}.`}${code}@example.com`;
}

/** The name taken instead where somebody else has the wanted one already. */
export function aliasOf(username: string): string {
  return `${username}${SUFFIX}seed`;
}

import type { Id } from '@rookery/kernel';
import { atSlot, SHORT_CODE_LENGTH, shortCodeOf, slotOfShortCode, type SlotKey } from '@rookery/sharding';

const TITLE_PART_MAX = 100;

/**
 * The slug of an article: its title in a form for URLs, then the short code of its id, which routes it. Two articles never
 * share a slug, and a new one needs no look-up.
 */
export function slugOf(title: string, id: Id): string {
  const words = slugify(title);
  return words === '' ? shortCodeOf(id) : `${words}-${shortCodeOf(id)}`;
}

/** Where the article of a slug lives; `undefined` for a text that is no slug, which costs no database. */
export function placeOfSlug(slug: string): SlotKey | undefined {
  const code = slug.slice(-SHORT_CODE_LENGTH);
  const before = slug.slice(0, -SHORT_CODE_LENGTH);
  if (before !== '' && (!before.endsWith('-') || before.length > TITLE_PART_MAX + 1)) return undefined;
  const slot = slotOfShortCode(code);
  return slot === undefined ? undefined : atSlot(slot);
}

/** Latin letters without their accents, and digits; all else separates words. */
function slugify(title: string): string {
  return title
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, TITLE_PART_MAX)
    .replace(/^-+|-+$/g, '');
}

/** What the site takes, in UTF-16 units: see the schemas of the features. */
export const LIMITS = {
  username: 60,
  title: 500,
  description: 10_000,
  body: 1_000_000,
  tags: 100,
  tag: 100,
} as const;

/**
 * Text as PostgreSQL and the site take it: no U+0000, no half of a surrogate pair, no line ends of Windows.
 * Source of `toWellFormed`: ECMAScript 2024; Node 20 has it, its type library has not.
 */
export function cleanText(value: string): string {
  return value
    .replaceAll('\u0000', '')
    .replaceAll('\r\n', '\n')
    .replace(/[\ud800-\udfff]/gu, '\ufffd');
}

/** At most `max` UTF-16 units, cut before a whole character. */
export function cut(value: string, max: number): string {
  if (value.length <= max) return value;
  const last = value.charCodeAt(max - 1);
  return value.slice(0, last >= 0xd800 && last < 0xdc00 ? max - 1 : max);
}

import type { EntryMeta, StoredRecord } from '../driver.js';

/**
 * What the store writes as JSON. The first three fields come first and in this order: readers compare them as text.
 */
export interface WrittenRecord {
  readonly hard: string;
  readonly soft: string;
  readonly staleMs: number;
  readonly meta: EntryMeta;
  /** Its bytes, each as the character of its number: in JSON that is shorter than base64 for nearly all of them. */
  readonly body: string;
}

export function written({ meta, body }: StoredRecord, hard: string, soft: string): WrittenRecord {
  // Whole milliseconds, which the script reads as digits.
  const staleMs = Math.floor(meta.keptMs - meta.freshMs);
  return { hard, soft, staleMs, meta, body: body.toString('latin1') };
}

export function stored({ meta, body }: WrittenRecord): StoredRecord {
  return { meta, body: Buffer.from(body, 'latin1') };
}

/** How the text of a record begins that was made under these versions. */
export const beginningOf = (hard: string, soft: string): string =>
  `{"hard":"${hard}","soft":"${soft}","staleMs":`;

/** Versions as the port hands them around. */
export const versionsOf = (hard: string, soft: string): string => `${hard};${soft}`;

export function partsOf(versions: string): [hard: string, soft: string] {
  const end = versions.indexOf(';');
  return [versions.slice(0, end), versions.slice(end + 1)];
}

import { TextRecord } from '../../text-record.js';
import type { DriverRead, EntryMeta, StoredRecord } from '../driver.js';

/**
 * What the store writes as JSON. Its fields have this order: readers take the text apart by it, and parse what they need.
 * Another form would need another name in `Keys`: sites of two versions read what is in Redis while one replaces the other.
 */
export interface WrittenRecord {
  readonly hard: string;
  readonly soft: string;
  readonly staleMs: number;
  /** What the clock of Redis showed when it was written, or a little less. Milliseconds; 0 where nobody knew. */
  readonly at: number;
  /** Characters of `meta`. */
  readonly metaLength: number;
  readonly meta: EntryMeta;
  /** A body that is JSON, as what it says: read, it need not be unpacked first. */
  readonly value?: unknown;
  /** Any other one, each byte as the character of its number: in JSON that is shorter than base64 for nearly all. */
  readonly body?: string;
}

/** A record that was found, and what its text says of it beside. */
export interface Parts {
  readonly staleMs: number;
  readonly at: number;
  readonly meta: EntryMeta;
  /** The record as the port gives it. */
  given(ageMs: number, invalidated: 'no' | 'soft'): NonNullable<DriverRead['record']>;
}

const STALE = '"staleMs":';
const HEAD = /(\d+),"at":(\d+),"metaLength":(\d+),"meta":/y;
const VALUE = ',"value":';
const BODY = ',"body":';

export function written(record: StoredRecord, hard: string, soft: string, at = 0): WrittenRecord {
  const { meta } = record;
  // Whole milliseconds, which the script reads as digits.
  const [staleMs, metaLength] = [Math.floor(meta.keptMs - meta.freshMs), JSON.stringify(meta).length];
  const head = { hard, soft, staleMs, at: Math.floor(at), metaLength, meta };
  const value = valueIn(record.text);
  if (value !== undefined) return { ...head, value };
  return { ...head, body: record.body.toString('latin1') };
}

/** Only what comes out again to the letter. */
function valueIn(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  const value = JSON.parse(text) as unknown;
  return JSON.stringify(value) === text ? value : undefined;
}

/** Nothing if it is of another form. */
export function partsIn(text: string): Parts | undefined {
  HEAD.lastIndex = text.indexOf(STALE) + STALE.length;
  const head = HEAD.exec(text);
  if (!head) return undefined;
  const begin = HEAD.lastIndex;
  const end = begin + Number(head[3]);
  const meta = JSON.parse(text.slice(begin, end)) as EntryMeta;
  const isValue = text.startsWith(VALUE, end);
  const content = text.slice(end + (isValue ? VALUE : BODY).length, -1);
  return {
    staleMs: Number(head[1]),
    at: Number(head[2]),
    meta,
    given: (ageMs, invalidated) =>
      isValue
        ? new TextRecord(meta, content, ageMs, invalidated)
        : { meta, body: Buffer.from(JSON.parse(content) as string, 'latin1'), ageMs, invalidated },
  };
}

/** The same of a record that the store has parsed. */
export function partsOfRecord({ staleMs, at, meta, value, body }: WrittenRecord): Parts {
  return {
    staleMs,
    at,
    meta,
    given: (ageMs, invalidated) =>
      body === undefined
        ? new TextRecord(meta, JSON.stringify(value), ageMs, invalidated)
        : { meta, body: Buffer.from(body, 'latin1'), ageMs, invalidated },
  };
}

/** How the text of a record begins that was made under these versions. */
export const beginningOf = (hard: string, soft: string): string =>
  `{"hard":"${hard}","soft":"${soft}",${STALE}`;

/** Versions as the port hands them around. */
export const versionsOf = (hard: string, soft: string): string => `${hard};${soft}`;

export function partsOf(versions: string): [hard: string, soft: string] {
  const end = versions.indexOf(';');
  return [versions.slice(0, end), versions.slice(end + 1)];
}

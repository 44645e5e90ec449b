import { TextRecord } from '../../text-record.js';
import type { DriverRead, EntryMeta, StoredRecord } from '../driver.js';
import { HARD_LENGTH } from './scripts.js';

type Given = NonNullable<DriverRead['record']>;
type Rest = Omit<EntryMeta, 'freshMs' | 'keptMs' | 'loadMs'>;

/**
 * What the store writes as JSON. Its fields have this order: readers take the text apart by it, and parse what they need.
 * Another form would need another name in `Keys`: sites of two versions read what is in Redis while one replaces the other.
 */
export interface WrittenRecord {
  readonly hard: string;
  readonly soft: string;
  readonly numbers: readonly [
    staleMs: number,
    keptMs: number,
    loadMs: number,
    /** What the clock of Redis showed when it was written, or a little less. Milliseconds; 0 where nobody knew. */
    at: number,
    /** Characters of `meta`. */
    metaLength: number,
  ];
  readonly meta: Rest;
  /** A body that is JSON, as what it says: read, it need not be unpacked first. */
  readonly value?: unknown;
  /** Any other one, each byte as the character of its number: in JSON that is shorter than base64 for nearly all. */
  readonly body?: string;
}

const HARD = '{"hard":"';
const SOFT = '","soft":"';
const NUMBERS = '","numbers":[';
const META = '],"meta":';
const VALUE = ',"value":';
const BODY = ',"body":';
const [ZERO, NINE] = [48, 57];

export function written(record: StoredRecord, hard: string, soft: string, at = 0): WrittenRecord {
  const { freshMs, keptMs, loadMs, ...meta } = record.meta;
  const staleMs = Math.floor(keptMs - freshMs);
  const metaLength = JSON.stringify(meta).length;
  // Whole milliseconds, which are read as digits.
  const numbers = [staleMs, Math.floor(keptMs), Math.ceil(loadMs), Math.floor(at), metaLength] as const;
  const head = { hard, soft, numbers, meta };
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

/** A record that was found, and what its text says of it beside. */
export interface Parts {
  readonly staleMs: number;
  readonly at: number;
  readonly meta: EntryMeta;
  /** The record as the port gives it. */
  given(ageMs: number, invalidated: 'no' | 'soft'): Given;
}

/** What says whether an entry is fresh is there at once; the rest, which most readers leave alone, when it is asked for. */
class FoundMeta implements EntryMeta {
  private parsed: Rest | undefined;

  constructor(
    private readonly text: string,
    readonly freshMs: number,
    readonly keptMs: number,
    readonly loadMs: number,
  ) {}

  private get rest(): Rest {
    this.parsed ??= JSON.parse(this.text) as Rest;
    return this.parsed;
  }

  get etag(): string {
    return this.rest.etag;
  }

  get tags(): readonly string[] {
    return this.rest.tags;
  }

  get negative(): EntryMeta['negative'] {
    return this.rest.negative;
  }

  get contentType(): string | undefined {
    return this.rest.contentType;
  }

  get statusCode(): number | undefined {
    return this.rest.statusCode;
  }

  get headers(): EntryMeta['headers'] {
    return this.rest.headers;
  }
}

class FoundText implements Parts {
  constructor(
    readonly staleMs: number,
    readonly at: number,
    readonly meta: EntryMeta,
    private readonly isValue: boolean,
    private readonly content: string,
  ) {}

  given(ageMs: number, invalidated: 'no' | 'soft'): Given {
    const { meta, content } = this;
    if (this.isValue) return new TextRecord(meta, content, ageMs, invalidated);
    return { meta, body: Buffer.from(JSON.parse(content) as string, 'latin1'), ageMs, invalidated };
  }
}

/** Nothing if it is of another form. `numbersAt`: where its numbers begin. */
export function partsIn(text: string, numbersAt = beginningIn(text)): Parts | undefined {
  if (numbersAt === undefined) return undefined;
  // By hand: an expression would cost more than all else here.
  const numbers = [0, 0, 0, 0, 0];
  let end = numbersAt;
  for (let i = 0; i < numbers.length; i += 1, end += 1) {
    for (let code = text.charCodeAt(end); code >= ZERO && code <= NINE; code = text.charCodeAt(end)) {
      numbers[i] = numbers[i]! * 10 + code - ZERO;
      end += 1;
    }
  }
  const [staleMs, keptMs, loadMs, at, metaLength] = numbers as [number, number, number, number, number];
  if (!text.startsWith(META, end - 1)) return undefined;
  const begin = end - 1 + META.length;
  const metaEnd = begin + metaLength;
  const isValue = text.startsWith(VALUE, metaEnd);
  const content = text.slice(metaEnd + (isValue ? VALUE : BODY).length, -1);
  const meta = new FoundMeta(text.slice(begin, metaEnd), keptMs - staleMs, keptMs, loadMs);
  return new FoundText(staleMs, at, meta, isValue, content);
}

function beginningIn(text: string): number | undefined {
  const at = text.indexOf(NUMBERS);
  return at < 0 ? undefined : at + NUMBERS.length;
}

/** The same of a record that the store has parsed. */
export function partsOfRecord({ numbers, meta: rest, value, body }: WrittenRecord): Parts {
  const [staleMs, keptMs, loadMs, at] = numbers;
  const meta = { ...rest, freshMs: keptMs - staleMs, keptMs, loadMs };
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

/**
 * Where the numbers begin in the text of a record that was made under these versions; nothing if it was made under others.
 * Compared piece by piece, which costs less than to put together how it would have to begin.
 */
export function numbersAfter(text: string, versions: readonly string[]): number | undefined {
  let [at, soft, comma] = [HARD.length, '', ''];
  for (const version of versions) {
    if (text.slice(at, at + HARD_LENGTH) !== version.slice(0, HARD_LENGTH)) return undefined;
    at += HARD_LENGTH + 1;
    soft += comma + version.slice(HARD_LENGTH);
    comma = ',';
  }
  const rest = SOFT + soft + NUMBERS;
  const end = at - 1 + rest.length;
  return text.slice(at - 1, end) === rest ? end : undefined;
}

/** The versions of a record, of which there are so many, as the port hands them around. */
export function versionsIn(text: string, count: number, numbersAt: number): string {
  const hardEnd = HARD.length + count * (HARD_LENGTH + 1) - 1;
  const hard = text.slice(HARD.length, hardEnd);
  return versionsOf(hard, text.slice(hardEnd + SOFT.length, numbersAt - NUMBERS.length));
}

/** Versions as the port hands them around. */
export const versionsOf = (hard: string, soft: string): string => `${hard};${soft}`;

export function partsOf(versions: string): [hard: string, soft: string] {
  const end = versions.indexOf(';');
  return [versions.slice(0, end), versions.slice(end + 1)];
}

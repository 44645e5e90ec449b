import { compareText } from './merge.js';
import { compareTimestamps, isDateText, isTimestampText } from './timestamp-text.js';

/**
 * How values of a kind of column are ordered outside PostgreSQL, from the exact text it writes for them (`x::text`): what
 * the driver makes of them would lose digits (bigint, numeric) or microseconds (timestamps).
 */
export interface KeyKind {
  /** Negative, zero or positive, as PostgreSQL's own order says. Both texts are valid. */
  readonly compare: (a: string, b: string) => number;
  /** Whether PostgreSQL takes the text as a value of the column: what comes back in a cursor is a client's word. */
  readonly valid: (text: string) => boolean;
  /** Added to the column wherever it is compared. */
  readonly collation?: string;
}

const integer = (bits: bigint): KeyKind => ({
  compare: (a, b) => {
    if (a.length <= 15 && b.length <= 15) return Number(a) - Number(b);
    const [x, y] = [BigInt(a), BigInt(b)];
    return x < y ? -1 : x > y ? 1 : 0;
  },
  valid: (text) => {
    if (!/^-?\d{1,19}$/.test(text)) return false;
    const value = BigInt(text);
    return value >= -(1n << (bits - 1n)) && value < 1n << (bits - 1n);
  },
});

const numeric: KeyKind = {
  compare: compareNumeric,
  valid: (text) => /^(-?\d{1,131072}(\.\d{1,16383})?|-?Infinity|NaN)$/.test(text),
};

const float = (inRange: (value: number) => boolean): KeyKind => ({
  compare: (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    // PostgreSQL holds NaN for greater than every number and equal to itself.
    if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
    return x < y ? -1 : x > y ? 1 : 0;
  },
  valid: (text) => {
    if (/^(-?Infinity|NaN)$/.test(text)) return true;
    if (!/^-?\d{1,400}(\.\d{1,400})?(e[+-]\d{1,3})?$/.test(text)) return false;
    const value = Number(text);
    return inRange(value) && (value !== 0 || !/[1-9]/.test(text.split('e')[0]!));
  },
});

const float32 = float((value) => {
  const nearest = Math.fround(value);
  return Number.isFinite(nearest) && (nearest !== 0 || value === 0);
});
const float64 = float(Number.isFinite);

const text: KeyKind = {
  compare: compareText,
  // PostgreSQL has no U+0000; half a surrogate pair would be sent as another letter.
  valid: (value) => !value.includes('\u0000') && !/\p{Surrogate}/u.test(value),
  collation: ' COLLATE "C"',
};

/** Kinds whose text sorts as their values do: fixed width, ASCII. */
const plain = (pattern: RegExp): KeyKind => ({
  compare: (a, b) => (a < b ? -1 : a > b ? 1 : 0),
  valid: (value) => pattern.test(value),
});

const moment = (valid: (text: string) => boolean): KeyKind => ({
  compare: compareTimestamps,
  valid,
});
const timestamp = moment(isTimestampText);

const KINDS: Readonly<Record<string, KeyKind>> = {
  smallint: integer(16n),
  int2: integer(16n),
  integer: integer(32n),
  int: integer(32n),
  int4: integer(32n),
  bigint: integer(64n),
  int8: integer(64n),
  numeric,
  decimal: numeric,
  real: float32,
  float4: float32,
  'double precision': float64,
  float8: float64,
  float: float64,
  text,
  varchar: text,
  'character varying': text,
  uuid: plain(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
  boolean: plain(/^(true|false)$/),
  bool: plain(/^(true|false)$/),
  date: moment(isDateText),
  timestamp,
  'timestamp without time zone': timestamp,
  timestamptz: timestamp,
  'timestamp with time zone': timestamp,
};

/** The kind of a column by its type in PostgreSQL; `undefined` for a type that only PostgreSQL itself can order. */
export function keyKindOf(type: string): KeyKind | undefined {
  return Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
}

const RANK: Readonly<Record<string, number>> = { '-Infinity': -1, Infinity: 1, NaN: 2 };

/** Decimals of any length, as text: no number in JavaScript holds them. */
function compareNumeric(a: string, b: string): number {
  const ranks = (RANK[a] ?? 0) - (RANK[b] ?? 0);
  if (ranks !== 0 || RANK[a] !== undefined) return ranks;
  const [x, y] = [decimalOf(a), decimalOf(b)];
  if (x.sign !== y.sign) return x.sign - y.sign;
  const size = x.whole.length - y.whole.length || order(x.whole, y.whole) || order(x.fraction, y.fraction);
  return size * x.sign;
}

function decimalOf(text: string): { sign: number; whole: string; fraction: string } {
  const negative = text.startsWith('-');
  const [digits = '', decimals = ''] = (negative ? text.slice(1) : text).split('.');
  const whole = digits.replace(/^0+/, '');
  const fraction = decimals.replace(/0+$/, '');
  const sign = whole === '' && fraction === '' ? 0 : negative ? -1 : 1;
  return { sign, whole, fraction };
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

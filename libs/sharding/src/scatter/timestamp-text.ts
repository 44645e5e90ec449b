const PATTERN =
  /^(\d{4,7})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:([+-])(\d\d)(?::(\d\d)(?::(\d\d))?)?)?)?( BC)?$/;
const MICROS_PER_SECOND = 1_000_000n;
const MICROS_PER_DAY = 86_400n * MICROS_PER_SECOND;
/** Beyond every moment that PostgreSQL has. */
const INFINITY = 1n << 80n;
/** The moments of PostgreSQL: from the start of its Julian days, to the end of 294276 (timestamps) or 5874897 (dates). */
const FIRST = -210_866_803_200_000_000n;
const LAST_TIMESTAMP = 9_224_318_015_999_999_999n;
const LAST_DATE = 185_331_707_078_399_999_999n;

/**
 * Microseconds since 1970 of a date or timestamp as PostgreSQL writes it in its ISO style, with or without an offset;
 * `undefined` if the text is none.
 */
export function microsOfTimestamp(text: string): bigint | undefined {
  if (text === 'infinity') return INFINITY;
  if (text === '-infinity') return -INFINITY;
  const match = PATTERN.exec(text);
  if (!match) return undefined;
  const [, y, mo, d, h = '0', mi = '0', s = '0', fraction = '', sign, oh = '0', om = '0', os = '0', bc] =
    match;
  const [month, day, hour, minute, second] = [Number(mo), Number(d), Number(h), Number(mi), Number(s)];
  // There is no year 0: 1 BC is followed by 1.
  const year = bc ? 1 - Number(y) : Number(y);
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  if (Number(y) === 0 || hour > 23 || minute > 59 || second > 59) return undefined;
  if (Number(oh) > 15 || Number(om) > 59 || Number(os) > 59) return undefined;
  const offset = Number(oh) * 3600 + Number(om) * 60 + Number(os);
  const seconds = hour * 3600 + minute * 60 + second - (sign === '-' ? -offset : offset);
  return (
    BigInt(daysSince1970(year, month, day)) * MICROS_PER_DAY +
    BigInt(seconds) * MICROS_PER_SECOND +
    BigInt(fraction.padEnd(6, '0'))
  );
}

/** Order of two dates or timestamps in PostgreSQL's ISO style, to the microsecond. */
export function compareTimestamps(a: string, b: string): number {
  const [x, y] = sortable(a, b) ? [a, b] : [microsOfTimestamp(a)!, microsOfTimestamp(b)!];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Whether two texts sort as they stand: years of four digits, one era, one offset. Nearly all do, at no cost. */
function sortable(a: string, b: string): boolean {
  return a[4] === '-' && b[4] === '-' && !a.endsWith('C') && !b.endsWith('C') && offsetIn(a) === offsetIn(b);
}

function offsetIn(text: string): string {
  const at = Math.max(text.lastIndexOf('+'), text.lastIndexOf('-'));
  return at < 19 ? '' : text.slice(at);
}

/** Whether the text is a timestamp that PostgreSQL takes. */
export function isTimestampText(text: string): boolean {
  return text.includes('infinity') || text.includes(':') ? isWithin(text, LAST_TIMESTAMP) : false;
}

/** Whether the text is a date that PostgreSQL takes. */
export function isDateText(text: string): boolean {
  return text.includes(':') ? false : isWithin(text, LAST_DATE);
}

function isWithin(text: string, last: bigint): boolean {
  const micros = microsOfTimestamp(text);
  if (micros === undefined) return false;
  return micros === INFINITY || micros === -INFINITY || (micros >= FIRST && micros <= last);
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Source: Howard Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`; `Date.UTC` ends at 275760. */
function daysSince1970(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

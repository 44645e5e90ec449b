import { randomBitsOfId, slotOfId, type Id } from '@rookery/kernel';

/** Crockford's base 32 in lower case: no i, l, o, u. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const VALUE = new Map([...ALPHABET].map((letter, value) => [letter, value]));

/** 12 bits of slot and 48 random bits of the id: 60 bits, 12 letters. */
export const SHORT_CODE_LENGTH = 12;
const RANDOM_BITS = 48n;

/**
 * The public short form of an id: 12 letters that hold its slot and 48 of its 62 random bits. It routes itself like the id
 * does; two ids of one slot share it with a chance of 2^-48, so what is looked up by it is still compared whole.
 */
export function shortCodeOf(id: Id): string {
  let bits = (BigInt(slotOfId(id)) << RANDOM_BITS) | (randomBitsOfId(id) & ((1n << RANDOM_BITS) - 1n));
  let code = '';
  for (let i = 0; i < SHORT_CODE_LENGTH; i++) {
    code = ALPHABET[Number(bits & 31n)]! + code;
    bits >>= 5n;
  }
  return code;
}

/** The slot in a short code; `undefined` if `code` is not one. Costs no look-up. */
export function slotOfShortCode(code: string): number | undefined {
  if (code.length !== SHORT_CODE_LENGTH) return undefined;
  let high = 0;
  for (let i = 0; i < SHORT_CODE_LENGTH; i++) {
    const value = VALUE.get(code[i]!);
    if (value === undefined) return undefined;
    // The first 12 of 60 bits are the first two letters and two bits of the third.
    if (i < 3) high = (high << 5) | value;
  }
  return high >>> 3;
}

import { createHash } from 'node:crypto';

/**
 * Random numbers that come out the same at every run: SplitMix64's successor for 32 bits, mixed from two words.
 * Source: Chris Wellons, "Prospecting for Hash Functions" (lowbias32, public domain).
 */
export function chance(seed: number, salt: number): number {
  let x = (seed ^ Math.imul(salt + 1, 0x9e3779b9)) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** 64 bits of a text, as two words: who has the same name is the same at every run. */
export function wordsOf(text: string): readonly [number, number] {
  const digest = createHash('sha256').update(text).digest();
  return [digest.readUInt32BE(0), digest.readUInt32BE(4)];
}

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compareText, mergeOrdered } from './merge.js';

interface Item {
  readonly key: number;
  readonly list: number;
  readonly position: number;
}

const lists = fc
  .array(fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 12 }), { minLength: 1, maxLength: 5 })
  .map((keys) =>
    keys.map((list, i) =>
      list.sort((a, b) => a - b).map((key, position): Item => ({ key, list: i, position })),
    ),
  );

describe('mergeOrdered', () => {
  it('gives what a stable sort of all lists gives, whatever is skipped and taken', () => {
    fc.assert(
      fc.property(lists, fc.nat({ max: 40 }), fc.nat({ max: 40 }), (given, limit, skip) => {
        const byKey = (a: Item, b: Item): number => a.key - b.key;
        const sorted = given.flat().sort(byKey);
        expect(mergeOrdered(given, byKey, limit, skip)).toEqual(sorted.slice(skip, skip + limit));
      }),
    );
  });

  it('gives nothing of no lists', () => {
    expect(mergeOrdered([], () => 0, 5)).toEqual([]);
  });
});

describe('compareText', () => {
  it('orders as the bytes of UTF-8 do', () => {
    const letters = fc.constantFrom(
      '',
      'a',
      'Z',
      'é',
      '\u07ff',
      '\ud7ff',
      '\ue000',
      '\uffff',
      '😀',
      '\u{10ffff}',
    );
    const text = fc.oneof(
      fc.array(letters, { maxLength: 5 }).map((parts) => parts.join('')),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareText(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
      { numRuns: 500 },
    );
  });
});

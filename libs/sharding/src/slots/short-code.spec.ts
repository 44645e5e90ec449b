import fc from 'fast-check';
import { newId, SLOT_COUNT } from '@rookery/kernel';
import { SHORT_CODE_LENGTH, shortCodeOf, slotOfShortCode } from './short-code.js';

const slots = fc.integer({ min: 0, max: SLOT_COUNT - 1 });

describe('a short code', () => {
  it('holds the slot of its id', () => {
    fc.assert(
      fc.property(slots, (slot) => {
        const code = shortCodeOf(newId(slot));
        expect(code).toMatch(/^[0-9a-hjkmnp-tv-z]{12}$/);
        expect(slotOfShortCode(code)).toBe(slot);
      }),
    );
  });

  it('tells the ids of one slot apart, and is the same for the same id', () => {
    const ids = Array.from({ length: 20_000 }, () => newId(9, 1_000));
    expect(new Set(ids.map(shortCodeOf)).size).toBe(ids.length);
    expect(ids.map(shortCodeOf)).toEqual(ids.map(shortCodeOf));
  });

  it('is one of 12 letters of the alphabet, or nothing', () => {
    const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
    const letter = fc.oneof(fc.constantFrom(...alphabet), fc.string({ unit: 'grapheme', maxLength: 1 }));
    fc.assert(
      fc.property(fc.array(letter, { minLength: 10, maxLength: 14 }), (letters) => {
        const code = letters.join('');
        const good = code.length === SHORT_CODE_LENGTH && [...code].every((one) => alphabet.includes(one));
        const slot = slotOfShortCode(code);
        expect(slot !== undefined).toBe(good);
        if (slot !== undefined) expect(slot >= 0 && slot < SLOT_COUNT).toBe(true);
      }),
      { numRuns: 2_000 },
    );
    for (const garbage of [
      '',
      'iiiiiiiiiiii',
      'ABCDEFGHJKMN',
      '0'.repeat(11),
      '0'.repeat(13),
      '🪺🪺🪺🪺🪺🪺',
    ]) {
      expect(slotOfShortCode(garbage)).toBeUndefined();
    }
  });
});

import fc from 'fast-check';
import { newId, SLOT_COUNT } from '@rookery/kernel';
import { atSlot, natural, slotOf, slotOfNaturalKey, type ShardKey } from './slot.js';

describe('a shard key', () => {
  it('is an id, which carries its slot, a natural key, which is hashed, or a slot', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: SLOT_COUNT - 1 }), fc.string(), (slot, text) => {
        expect(slotOf(newId(slot))).toBe(slot);
        expect(slotOf(atSlot(slot))).toBe(slot);
        expect(slotOf(natural(text))).toBe(slotOfNaturalKey(text));
      }),
    );
  });

  it('must be given', () => {
    const missing = expect.objectContaining({ code: 'RK_SHARDING_MISSING_KEY' }) as Error;
    for (const key of [undefined, null, 7, {}, { natural: 7 }, atSlot(-1), atSlot(SLOT_COUNT), atSlot(0.5)]) {
      expect(() => slotOf(key as ShardKey)).toThrow(missing);
    }
    for (const key of ['', 'ada', newId(1).toUpperCase()]) {
      expect(() => slotOf(key)).toThrow(expect.objectContaining({ code: 'RK_KERNEL_BAD_ID' }));
    }
  });
});

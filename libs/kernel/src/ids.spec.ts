import fc from 'fast-check';
import { isId, newId, newIdIn, randomBitsOfId, SLOT_COUNT, slotOfId, timeOfId } from './ids.js';
import { kernelErrors } from './kernel.errors.js';

const slots = fc.integer({ min: 0, max: SLOT_COUNT - 1 });
const times = fc.integer({ min: 0, max: 2 ** 48 - 1 });

describe('an id', () => {
  it('carries its slot and its time, as a UUIDv7', () => {
    fc.assert(
      fc.property(slots, times, (slot, at) => {
        const id = newId(slot, at);
        expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(isId(id)).toBe(true);
        expect(slotOfId(id)).toBe(slot);
        expect(timeOfId(id)).toBe(at);
      }),
    );
  });

  it('sorts by the time it was made, as text', () => {
    fc.assert(
      fc.property(slots, times, slots, times, (slot, at, otherSlot, otherAt) => {
        fc.pre(at !== otherAt);
        expect(newId(slot, at) < newId(otherSlot, otherAt)).toBe(at < otherAt);
      }),
    );
  });

  it('is made in the slot of another', () => {
    fc.assert(
      fc.property(slots, (slot) => {
        expect(slotOfId(newIdIn(newId(slot)))).toBe(slot);
      }),
    );
  });

  it('is told from every other by 62 random bits, of which each is used', () => {
    const made = Array.from({ length: 20_000 }, () => newId(5, 1_000));
    expect(new Set(made).size).toBe(made.length);
    let seen = 0n;
    let missing = (1n << 62n) - 1n;
    for (const id of made) {
      seen |= randomBitsOfId(id);
      missing &= randomBitsOfId(id);
    }
    expect(seen).toBe((1n << 62n) - 1n);
    expect(missing).toBe(0n);
  });

  it('is not made in a slot that does not exist', () => {
    for (const slot of [-1, SLOT_COUNT, 0.5, NaN, Infinity]) {
      expect(() => newId(slot)).toThrow(expect.objectContaining({ code: kernelErrors.codes.BAD_SLOT }));
    }
  });

  it('is not made at a time that its 48 bits cannot hold', () => {
    for (const at of [-1, 0.5, NaN, Infinity, 2 ** 48]) {
      expect(() => newId(0, at)).toThrow(expect.objectContaining({ code: kernelErrors.codes.BAD_TIME }));
    }
  });

  it('is nothing else: other text, other versions, upper case, other types', () => {
    const id = newId(77);
    const others = [
      id.toUpperCase(),
      id.replaceAll('-', ''),
      ` ${id}`,
      `${id}\n`,
      id.slice(0, 14) + '4' + id.slice(15),
      id.slice(0, 19) + 'c' + id.slice(20),
      '',
    ];
    for (const other of others) {
      expect(isId(other)).toBe(false);
      for (const read of [slotOfId, timeOfId, randomBitsOfId]) {
        expect(() => read(other)).toThrow(expect.objectContaining({ code: kernelErrors.codes.BAD_ID }));
      }
    }
    for (const other of [undefined, null, 7, [id], { id }]) expect(isId(other)).toBe(false);
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(isId(text)).toBe(false);
      }),
    );
  });
});

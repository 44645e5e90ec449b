import { rangesText, slotRanges } from './slot-ranges.js';

describe('slot ranges', () => {
  it('join neighbours and nothing else', () => {
    expect(slotRanges([])).toEqual([]);
    expect(slotRanges([0, 1, 2, 4, 6, 7])).toEqual([
      [0, 2],
      [4, 4],
      [6, 7],
    ]);
  });

  it('are told in a few words, and how many are left out', () => {
    expect(rangesText(slotRanges([0, 1, 2, 4]))).toBe('0–2, 4');
    expect(rangesText(slotRanges([1, 3, 5, 7, 9]))).toBe('1, 3, 5, … 2 more');
    expect(rangesText([])).toBe('');
  });
});

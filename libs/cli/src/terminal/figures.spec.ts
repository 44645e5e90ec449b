import { bar, count, duration, percent, whole } from './figures.js';

describe('figures', () => {
  it('draws bars in eighths, always as wide as asked', () => {
    expect(bar(0, 4)).toBe('····');
    expect(bar(1, 4)).toBe('████');
    expect(bar(0.5, 4)).toBe('██··');
    expect(bar(0.53, 4)).toBe('██▏·');
    expect(bar(7, 4)).toBe('████');
    expect(bar(-1, 4)).toBe('····');
  });

  it('says numbers as people do', () => {
    expect(whole(1234567.4)).toBe('1,234,567');
    expect(percent(0.4994)).toBe('49.9%');
    expect([count(1, 'key'), count(0, 'key'), count(2_000, 'entry', 'entries')]).toEqual([
      '1 key',
      '0 keys',
      '2,000 entries',
    ]);
    expect([0.4, 999, 1_500, 90_000, 3 * 3_600_000, 3 * 86_400_000, Infinity].map(duration)).toEqual([
      '0 ms',
      '999 ms',
      '1.5 s',
      '2 min',
      '3 h',
      '3 days',
      '–',
    ]);
  });
});

import fc from 'fast-check';
import { integerParameter, isText, text } from './text.js';

test('text is what has no U+0000 and survives UTF-8', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.nat(0xffff), (some, unit) => {
      const value = some + String.fromCharCode(unit);
      const survives = Buffer.from(value).toString() === value;
      expect(isText(value)).toBe(survives && !value.includes('\u0000'));
    }),
  );
});

test('text() keeps limits', () => {
  expect(text({ min: 1, max: 2 }).safeParse('ab').success).toBe(true);
  expect(text({ min: 1, max: 2 }).safeParse('').success).toBe(false);
  expect(text({ min: 1, max: 2 }).safeParse('abc').success).toBe(false);
  expect(text().safeParse('\ud800').success).toBe(false);
});

test('an integer parameter takes whole numbers that are exact, and nothing else', () => {
  const any = integerParameter();
  fc.assert(fc.property(fc.maxSafeInteger(), (n) => expect(any.parse(String(n))).toBe(n)));
  for (const bad of [
    '',
    '+1',
    '1.0',
    '1e3',
    ' 1',
    '0x1',
    '9007199254740992',
    '-9007199254740992',
    '١',
    ['1'],
    1,
  ]) {
    expect([bad, any.safeParse(bad).success]).toEqual([bad, false]);
  }
  expect(integerParameter({ default: 7 }).parse(undefined)).toBe(7);
  expect(any.safeParse(undefined).success).toBe(false);
  expect(integerParameter({ min: 0, max: 5 }).safeParse('6').success).toBe(false);
});

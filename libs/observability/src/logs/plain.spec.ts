import fc from 'fast-check';
import { DEFAULT_LIMITS, toPlain } from './plain.js';
import { Redaction } from './redaction.js';

const redaction = new Redaction();
const plain = (value: unknown) => toPlain(value, redaction);

describe('toPlain', () => {
  it('keeps what JSON can say', () => {
    const value = { text: 'x', n: 1, yes: true, nothing: null, list: [1, { a: 2 }], at: new Date(0) };
    expect(JSON.parse(JSON.stringify(plain(value)))).toEqual({ ...value, at: '1970-01-01T00:00:00.000Z' });
  });

  it('says what JSON cannot', () => {
    const value = [1n, NaN, Symbol('s'), () => 1, new Map([['a', 1]]), new Set([1]), Buffer.alloc(3)];
    expect(plain(value)).toEqual(['1', 'NaN', '[symbol]', '[function]', { a: 1 }, [1], '[3 bytes]']);
  });

  it('marks a cycle, and shows a value that merely stands twice', () => {
    const shared = { a: 1 };
    const value: Record<string, unknown> = { one: shared, two: shared };
    value['self'] = value;
    expect(plain(value)).toEqual({ one: { a: 1 }, two: { a: 1 }, self: '[circular]' });
  });

  it('survives values that throw when they are read', () => {
    const getter = Object.defineProperty({ fine: 1 }, 'bad', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    const trap = () => {
      throw new Error('no');
    };
    const proxy = new Proxy({}, { get: trap, has: trap, ownKeys: trap, getPrototypeOf: trap });
    const json = { toJSON: trap };
    expect(plain({ getter, proxy, json })).toEqual({
      getter: { fine: 1, bad: '[unreadable]' },
      proxy: '[unreadable]',
      json: '[unreadable]',
    });
  });

  it('does not let __proto__ through as a prototype', () => {
    const copy = plain(JSON.parse('{"__proto__":{"polluted":true}}'));
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(JSON.stringify(copy)).toBe('{"__proto__":{"polluted":true}}');
  });

  it('is bounded whatever it is given, and says that something is missing', () => {
    let deep: unknown = 'bottom';
    for (let level = 0; level < 10_000; level += 1) deep = [deep];
    const row = Array.from({ length: 1_000 }, () => 'x'.repeat(100));
    const wide = Array.from({ length: 1_000 }, () => [...row]);
    const keys = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`key${i}`, i]));
    const long = 'y'.repeat(1_000_000);
    const text = JSON.stringify(plain({ long, deep, wide, keys }));
    expect(text.length).toBeLessThan(DEFAULT_LIMITS.texts * 2);
    expect(text).toContain('more]');
    expect(text).toContain('(1000000 characters)');
    expect(text).not.toContain('bottom');
  });

  it('bounds all texts together', () => {
    const texts = Array.from({ length: 40 }, () => 'z'.repeat(DEFAULT_LIMITS.text));
    expect(JSON.stringify(plain(texts)).length).toBeLessThan(DEFAULT_LIMITS.texts * 1.1);
  });

  it('never throws and always gives JSON', () => {
    fc.assert(
      fc.property(
        fc.anything({
          withBigInt: true,
          withDate: true,
          withMap: true,
          withSet: true,
          withTypedArray: true,
          withNullPrototype: true,
          withSparseArray: true,
          maxDepth: 8,
        }),
        (value) => {
          const text = JSON.stringify(plain(value));
          expect(text === undefined || typeof text === 'string').toBe(true);
        },
      ),
    );
  });
});

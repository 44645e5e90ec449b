import fc from 'fast-check';
import { CodedError } from '@rookery/kernel';
import { parseJsonBody } from './json-body.js';

const limits = { maxDepth: 5, maxArrayLength: 20 };
const parse = (source: string) => parseJsonBody(Buffer.from(source), limits);

function refusal(source: string): [string, unknown] {
  try {
    parse(source);
  } catch (error) {
    if (error instanceof CodedError) return [error.code, error.data['fields']];
    throw error;
  }
  return ['accepted', undefined];
}

test('what breaks no limit is what JSON.parse gives', () => {
  const within = fc.json({ maxDepth: 3, depthSize: 'small', noUnicodeString: false });
  fc.assert(
    fc.property(within, (source) => {
      fc.pre(!source.includes('\\u') && !source.includes('__proto__'));
      expect(parse(source)).toEqual(JSON.parse(source));
    }),
  );
});

test('no text with U+0000 or half a pair passes, wherever it is', () => {
  const bad = fc.constantFrom('\\u0000', '\\ud800', '\\uDFFF', '\\uD83Dx', '\\udc00\\ud800');
  const wrap = fc.array(fc.constantFrom('array', 'value', 'key'), { maxLength: 4 });
  fc.assert(
    fc.property(bad, wrap, (text, around) => {
      const source = around.reduce(
        (inner, kind) =>
          kind === 'array'
            ? `[1,${inner}]`
            : kind === 'value'
              ? `{"a":1,"b":${inner}}`
              : `{"${text}":${inner}}`,
        `"x${text}y"`,
      );
      expect(refusal(source)[0]).toBe('RK_HTTP_INVALID_INPUT');
    }),
  );
});

test('depth: the limit passes, one more does not, and the refusal says where', () => {
  expect(parse('[[[[[]]]]]')).toEqual([[[[[]]]]]);
  expect(parse('{"a":{"b":{"c":{"d":{}}}}}')).toBeDefined();
  expect(refusal('{"a":{"b":{"c":{"d":{"e":{}}}}}}')).toEqual([
    'RK_HTTP_INVALID_INPUT',
    [expect.objectContaining({ field: 'a.b.c.d.e', reason: 'too_deep', in: 'body' })],
  ]);
});

test('half a million levels overflow nothing', () => {
  expect(refusal('['.repeat(500_000) + ']'.repeat(500_000))[0]).toBe('RK_HTTP_INVALID_INPUT');
});

test('arrays: the limit passes, one more does not', () => {
  const of = (length: number) => JSON.stringify({ list: Array.from({ length }, () => 'some text') });
  expect(parse(of(20))).toBeDefined();
  expect(refusal(of(21))).toEqual([
    'RK_HTTP_INVALID_INPUT',
    [expect.objectContaining({ path: ['list'], reason: 'too_big' })],
  ]);
});

test('poisoned keys are dropped at every level, escaped or not; harmless ones stay', () => {
  const body = parse(
    '{"__proto__":{"x":1},"a":{"\\u005f_proto__":1,"b":2},"constructor":{"prototype":1},"c":{"constructor":1}}',
  );
  expect(Object.keys(body as object)).toEqual(['a', 'c']);
  expect(body).toEqual({ a: { b: 2 }, c: { constructor: 1 } });
  expect(({} as { x?: number }).x).toBeUndefined();
});

test('no bytes are no body', () => {
  expect(parse('')).toBeUndefined();
});

import { z } from 'zod';
import { fieldsOf } from './issues.js';
import { text } from './text.js';

const schema = z.strictObject({
  name: text({ min: 2, max: 3 }),
  email: z.email().optional(),
  kind: z.enum(['a', 'b']).optional(),
  either: z.union([z.string(), z.null()]).optional(),
  list: z.array(z.object({ n: z.number().max(5) })).optional(),
});

const reasons = (input: unknown) =>
  fieldsOf(schema.safeParse(input).error?.issues ?? [], input, 'body', ['root']).map((one) => [
    one.field,
    one.reason,
  ]);

test.each([
  [{}, 'root.name', 'missing'],
  [{ name: undefined }, 'root.name', 'missing'],
  [{ name: null }, 'root.name', 'null'],
  [{ name: 1 }, 'root.name', 'type'],
  [{ name: '' }, 'root.name', 'blank'],
  [{ name: ' ' }, 'root.name', 'blank'],
  [{ name: 'a' }, 'root.name', 'too_small'],
  [{ name: 'abcd' }, 'root.name', 'too_big'],
  [{ name: 'a\u0000b' }, 'root.name', 'not_text'],
  [{ name: 'a\ud800' }, 'root.name', 'not_text'],
  [{ name: 'ab', email: 'x' }, 'root.email', 'invalid'],
  [{ name: 'ab', kind: 'c' }, 'root.kind', 'invalid'],
  [{ name: 'ab', either: 3 }, 'root.either', 'type'],
  [{ name: 'ab', list: {} }, 'root.list', 'type'],
  [{ name: 'ab', list: [{ n: 1 }, { n: 6 }] }, 'root.list.1.n', 'too_big'],
  [{ name: 'ab', other: 1 }, 'root.other', 'unknown'],
  ['text', 'root', 'type'],
])('%j: %s is %s', (input, field, reason) => {
  expect(reasons(input)).toEqual([[field, reason]]);
});

test('a thousand faults are told by the first fifty', () => {
  const list = Array.from({ length: 1000 }, () => ({ n: 9 }));
  expect(reasons({ name: 'ab', list })).toHaveLength(50);
});

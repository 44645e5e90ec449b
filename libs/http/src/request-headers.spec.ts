import { budgetOf, requestIdOf, traceIdOf } from './request-headers.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

test.each(['a', 'A.b_c-9', 'x'.repeat(64)])('request id %j is taken', (id) => {
  expect(requestIdOf({ 'x-request-id': id })).toBe(id);
});

test.each(['', 'a b', 'ä', 'x'.repeat(65), 'a\nb', 'a, b'])('request id %j is replaced', (id) => {
  const given = requestIdOf({ 'x-request-id': id });
  expect(given).not.toBe(id);
  expect(given).toMatch(/^[0-9a-f-]{36}$/);
});

test('a new request id is a random UUID, and each is another', () => {
  const ids = Array.from({ length: 1_000 }, () => requestIdOf({}));
  for (const id of ids)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(new Set(ids).size).toBe(ids.length);
  // Every place that is random takes every value.
  for (const at of [0, 7, 9, 15, 24, 35]) expect(new Set(ids.map((id) => id[at])).size).toBe(16);
});

test.each([`00-${TRACE}-${SPAN}-01`, `cc-${TRACE}-${SPAN}-01-more`])(
  'traceparent %s is taken',
  (traceparent) => {
    expect(traceIdOf({ traceparent })).toBe(TRACE);
  },
);

test.each([
  `ff-${TRACE}-${SPAN}-01`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE}-${SPAN}-01-more`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}`,
  '',
])('traceparent %s is not', (traceparent) => {
  expect(traceIdOf({ traceparent })).toBeUndefined();
});

test('a caller may shorten the deadline, never lengthen it', () => {
  expect(budgetOf({}, 5000)).toBe(5000);
  expect(budgetOf({ 'request-timeout-ms': '200' }, 5000)).toBe(200);
  for (const bad of ['9999', '0', '-1', '1.5', 'x', '']) {
    expect(budgetOf({ 'request-timeout-ms': bad }, 5000)).toBe(5000);
  }
});

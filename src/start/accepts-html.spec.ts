import { acceptsHtml } from './accepts-html.js';

it.each([
  ['text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8', true],
  ['Text/HTML; charset=utf-8', true],
  ['application/json;q=0.5, text/html;q=0.5', true],
  ['application/json, text/html;q=0.5', false],
  ['application/json', false],
  ['*/*', false],
  ['text/html;q=0', false],
  ['text/html;q=much', false],
  ['text/htmlx, x/text/html', false],
  ['', false],
  [undefined, false],
])('%s: %s', (accept, expected) => {
  expect(acceptsHtml(accept)).toBe(expected);
});

import { createHash } from 'node:crypto';
import type { About } from './about.js';
import { PAGE_POLICY, pageOf } from './page.js';

const about: About = {
  name: 'Books & <script>',
  description: 'Says "hello"',
  version: '1.2.3',
  links: [{ name: 'docs', href: '/docs?a=1&b="2"', text: "what's there" }],
  operationsUrl: () => undefined,
};
const hrefsOf = (page: string): string[] => [...page.matchAll(/<a href="([^"]*)"/g)].map(([, href]) => href!);

it('has what it is told as text, whatever that is', () => {
  const page = pageOf(about);
  expect(page).toContain('<h1>Books &#38; &#60;script&#62; <small>1.2.3</small></h1>');
  expect(page).not.toContain('<script>');
  expect(hrefsOf(page)).toEqual(['/docs?a=1&#38;b=&#34;2&#34;']);
});

it('leads to the operations where a reader is to know where they are, and else only says that there are some', () => {
  expect(pageOf(about)).toContain('at the operations port, which is not public');
  const page = pageOf({ ...about, operationsUrl: () => 'http://127.0.0.1:3001' });
  expect(hrefsOf(page).slice(1)).toEqual(['http://127.0.0.1:3001/metrics', 'http://127.0.0.1:3001/health']);
  expect(page).not.toContain('not public');
});

it('is allowed its own style, by its hash, and nothing from elsewhere', () => {
  const style = /<style>([^]*)<\/style>/.exec(pageOf(about))![1]!;
  const hash = createHash('sha256').update(style).digest('base64');
  expect(PAGE_POLICY).toContain(`style-src 'sha256-${hash}';`);
  expect(PAGE_POLICY.match(/sha256|self|unsafe|https?:|data:/g)).toEqual(['sha256', 'data:']);
});

import { createHash } from 'node:crypto';
import { OPERATIONS, type About, type Link } from './about.js';

const STYLE = `
  :root { color-scheme: light dark; --line: #8886; --link: #1a5fb4; }
  @media (prefers-color-scheme: dark) { :root { --link: #78aeed; } }
  body { max-width: 42rem; margin: 0 auto; padding: 3rem 1.25rem; font: 1rem/1.6 system-ui, sans-serif; }
  h1 { margin: 0; font-size: 2rem; line-height: 1.2; }
  h2 { margin: 2.5rem 0 0; font-size: 1rem; }
  small, footer { opacity: 0.75; }
  h1 small { font-size: 1rem; font-weight: normal; }
  a { color: var(--link); }
  ul { margin: 0.5rem 0 0; padding: 0; list-style: none; }
  li { display: flex; flex-wrap: wrap; gap: 0 1rem; padding: 0.6rem 0; border-bottom: 1px solid var(--line); }
  li a { flex: 0 0 11rem; overflow-wrap: anywhere; font-family: ui-monospace, monospace; }
  li span { flex: 1 1 16rem; }
  footer { margin-top: 2.5rem; font-size: 0.875rem; }
`;

/** What a browser may do with the page: use this style, and take no icon for its icon, or it would ask for one. */
export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** The start page, whole: it asks for nothing else. */
export function pageOf(about: About): string {
  const { name, description, version, links } = about;
  const url = about.operationsUrl();
  const operations =
    url === undefined
      ? '<p>Metrics and health with details are at the operations port, which is not public.</p>'
      : listOf(OPERATIONS, url);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(name)}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escaped(name)} <small>${escaped(version)}</small></h1>
<p>${escaped(description)}</p>
<h2>Where to go</h2>
${listOf(links, '')}
<h2>Operations</h2>
${operations}
</main>
<footer>Programs that ask for JSON get the same as JSON here.</footer>
</body>
</html>
`;
}

function listOf(links: readonly Link[], base: string): string {
  const items = links.map(
    ({ href, text }) =>
      `<li><a href="${escaped(base + href)}">${escaped(href)}</a> <span>${escaped(text)}</span></li>`,
  );
  return `<ul>\n${items.join('\n')}\n</ul>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

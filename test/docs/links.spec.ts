import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { allFilesUnder } from '../architecture/project.js';

const root = join(import.meta.dirname, '../..');
const fixture = 'test/docs/fixtures/links.md';

/** Links of a page to files of the repository that do not exist, as `page:line target`. */
function brokenLinks(page: string): string[] {
  let inCode = false;
  return readFileSync(join(root, page), 'utf8')
    .split('\n')
    .flatMap((line, index) => {
      if (/^\s*(```|~~~)/.test(line)) inCode = !inCode;
      if (inCode) return [];
      return [...line.replace(/`[^`]*`/g, '').matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, target]) => target!.replace(/#.*/, ''))
        .filter((target) => target !== '' && !/^[a-z]+:/.test(target))
        .filter((target) => !existsSync(join(root, posix.dirname(page), target)))
        .map((target) => `${page}:${index + 1} ${target}`);
    });
}

describe('links in the documentation', () => {
  it('lead to files that exist', () => {
    const pages = allFilesUnder(root, '.').filter((path) => path.endsWith('.md'));
    expect(pages).toContain('docs/adr/README.md');
    expect(pages.flatMap(brokenLinks)).toEqual([]);
  });

  it('are found broken where they are: a fixture', () => {
    expect(brokenLinks(fixture)).toEqual([`${fixture}:3 gone.md`, `${fixture}:3 ../gone/guide.md`]);
  });

  it('lead from the list of decisions to every decision', () => {
    const list = readFileSync(join(root, 'docs/adr/README.md'), 'utf8');
    const pages = allFilesUnder(root, 'docs/adr').map((path) => posix.basename(path));
    const missing = pages.filter((page) => page !== 'README.md' && !list.includes(`](${page})`));
    expect(missing).toEqual([]);
  });
});

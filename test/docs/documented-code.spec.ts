import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { allFilesUnder } from '../architecture/project.js';
import { codeOf } from './code-blocks.js';
import { compileModules } from './compile-modules.js';

const root = join(import.meta.dirname, '../..');
const fixture = 'test/docs/fixtures/guide.md';

function faultsOf(paths: readonly string[]): string[] {
  const pages = paths.map((path) => codeOf(path, readFileSync(join(root, path), 'utf8')));
  const modules = pages.flatMap((page) => page.modules);
  return [...pages.flatMap((page) => page.faults), ...compileModules(root, modules)];
}

describe('code in the documentation', () => {
  it('compiles, in every README and guide', () => {
    const pages = allFilesUnder(root, '.').filter((path) => path.endsWith('.md'));
    expect(pages).toContain('docs/guides/README.md');
    expect(faultsOf(pages)).toEqual([]);
  }, 60_000);

  it('is found wrong where it is: a fixture with every fault', () => {
    expect(faultsOf([fixture])).toEqual([
      `${fixture}:54 no-check without a reason`,
      `${fixture}:58 a block cannot be 'no-chek'`,
      `${fixture}:13 TS2322 Type 'number' is not assignable to type 'string'.`,
      `${fixture}:20 TS2724 '"@rookery/kernel"' has no exported member named 'newIds'. Did you mean 'newId'?`,
      `${fixture}:24 TS2307 Cannot find module '@rookery/kernel/src/ids.js' or its corresponding type declarations.`,
    ]);
  }, 60_000);
});

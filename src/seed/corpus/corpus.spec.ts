import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { corpusOf, readCorpus, type Package } from './corpus.js';
import { LIMITS } from './limits.js';

const one = (manifest: object, readme = '# It'): Package =>
  corpusOf([{ manifest: { name: 'it', version: '1.0.0', ...manifest }, readme }])[0]!;

describe('the corpus', () => {
  it('takes a description, or says that there is none', () => {
    expect(one({ description: '  Does it. ' }).description).toBe('Does it.');
    for (const description of [undefined, '', ' \n', 7, { text: 'x' }]) {
      expect(one({ description }).description).toBe('it, of which its package says nothing.');
    }
  });

  it('keeps a README as it is, Markdown, HTML and all, and says where there is none', () => {
    const readme = '<p align="center"><b>It</b></p>\n\n```js\nit()\n```\n“🪶” — العربية\n';
    expect(one({}, readme).readme).toBe(readme);
    expect(one({}, ' \n\t\n').readme).toBe('The package **it** comes without a README.');
  });

  it('brings text to what the site takes: no U+0000, no half of a pair, not too long', () => {
    expect(one({}, 'a\u0000b\ud800c\r\nd').readme).toBe('ab\ufffdc\nd');
    const huge = one({ description: 'd'.repeat(20_000) }, `${'x'.repeat(LIMITS.body - 1)}🪶🪶`);
    expect(huge.readme).toHaveLength(LIMITS.body - 1);
    expect(huge.description).toHaveLength(LIMITS.description);
  });

  it('takes keywords however they are written, each once', () => {
    expect(one({ keywords: [' cli ', 'cli', '', 3, null, 'tty'] }).keywords).toEqual(['cli', 'tty']);
    expect(one({ keywords: 'one, two,,one' }).keywords).toEqual(['one', 'two']);
    expect(one({ keywords: { a: 1 } }).keywords).toEqual([]);
    const many = Array.from({ length: 300 }, (_, i) => `${i}${'x'.repeat(200)}`);
    const { keywords } = one({ keywords: many });
    expect(keywords).toHaveLength(LIMITS.tags);
    expect(Math.max(...keywords.map((word) => word.length))).toBe(LIMITS.tag);
  });

  it('knows who depends on whom, and leaves out what is not there', () => {
    const packages = corpusOf([
      { manifest: { name: 'a', version: '1', dependencies: { b: '1', ghost: '1', a: '1' } }, readme: '' },
      { manifest: { name: 'b', version: '1', dependencies: [] }, readme: '' },
      { manifest: { name: 'c', version: '1', dependencies: { b: '1' } }, readme: '' },
    ]);
    expect(packages.map(({ dependencies }) => dependencies)).toEqual([[1], [], [1]]);
    expect(packages.map(({ dependents }) => dependents)).toEqual([[], [0, 2], []]);
  });

  it('takes one package per name and version, and none without', () => {
    const packages = corpusOf(
      [
        { name: 'a', version: '1' },
        { name: 'a', version: '1', description: 'again' },
        { name: 'a', version: '2' },
        { name: '', version: '1' },
        { version: '1' },
        { name: 'b' },
      ].map((manifest) => ({ manifest, readme: '' })),
    );
    expect(packages.map(({ name, version }) => `${name}@${version}`)).toEqual(['a@1', 'a@2']);
  });
});

describe('reading packages', () => {
  let root: string;
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'seed-corpus-'))));
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('finds scoped and nested ones, in an order of its own; leaves out links and what is broken', async () => {
    write('zeta/package.json', '{"name":"zeta","version":"1.0.0"}');
    write('zeta/ReadMe.MD', 'Hello');
    write('zeta/node_modules/alpha/package.json', '{"name":"alpha","version":"0.1.0"}');
    write('@scope/beta/package.json', '{"name":"@scope/beta","version":"1.0.0"}');
    write('broken/package.json', '{');
    write('empty/index.js', '');
    write('.bin/x/package.json', '{"name":"x","version":"1.0.0"}');
    symlinkSync(join(root, 'zeta'), join(root, 'linked'));
    const packages = await readCorpus(root);
    expect(packages.map(({ name }) => name)).toEqual(['@scope/beta', 'zeta', 'alpha']);
    expect(packages[1]!.readme).toBe('Hello');
  });

  it('says so where there are none', async () => {
    await expect(readCorpus(root)).rejects.toThrow(/no packages under .*npm install/);
  });
});

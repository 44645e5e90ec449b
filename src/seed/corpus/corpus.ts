import { readPackages, type PackageFiles } from './package-files.js';
import { cleanText, cut, LIMITS } from './limits.js';
import { handleOf } from './people.js';

/** A package as the seed sees it: an article that waits to be written. */
export interface Package {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  /** The README, within the site's limits; never blank. */
  readonly readme: string;
  readonly keywords: readonly string[];
  /** Who wrote it, as a username. */
  readonly author: string;
  /** Positions in the corpus of the packages that this one depends on. */
  readonly dependencies: readonly number[];
  /** Positions of those that depend on this one. */
  readonly dependents: readonly number[];
}

/** @throws Error if there is no package at all under `folder` */
export async function readCorpus(folder: string): Promise<Package[]> {
  const packages = corpusOf(await readPackages(folder));
  if (packages.length === 0) throw new Error(`no packages under ${folder}: run npm install first`);
  return packages;
}

/** In the order given; of a package that is there more than once in one version, the first. */
export function corpusOf(files: readonly PackageFiles[]): Package[] {
  const unique = new Map<string, PackageFiles>();
  for (const file of files) {
    const { name, version } = file.manifest;
    if (typeof name !== 'string' || name === '' || typeof version !== 'string') continue;
    const key = `${name}@${version}`;
    if (!unique.has(key)) unique.set(key, file);
  }
  const kept = [...unique.values()];
  const positions = new Map<string, number>();
  kept.forEach(({ manifest }, i) => {
    const name = String(manifest['name']);
    if (!positions.has(name)) positions.set(name, i);
  });
  const dependencies = kept.map(({ manifest }, i) =>
    Object.keys(objectOf(manifest['dependencies']))
      .map((name) => positions.get(name))
      .filter((position): position is number => position !== undefined && position !== i),
  );
  const dependents: number[][] = kept.map(() => []);
  dependencies.forEach((list, i) => list.forEach((position) => dependents[position]!.push(i)));
  return kept.map(({ manifest, readme }, i) => {
    const name = cut(cleanText(String(manifest['name'])), 214);
    return {
      name,
      version: cut(cleanText(String(manifest['version'])), 64),
      description: descriptionOf(manifest['description'], name),
      readme: bodyOf(readme, name),
      keywords: keywordsOf(manifest['keywords']),
      author: handleOf(manifest),
      dependencies: dependencies[i]!,
      dependents: dependents[i]!,
    };
  });
}

function descriptionOf(value: unknown, name: string): string {
  const text = typeof value === 'string' ? cleanText(value).trim() : '';
  return text === '' ? `${name}, of which its package says nothing.` : cut(text, LIMITS.description);
}

function bodyOf(readme: string, name: string): string {
  const text = cleanText(readme);
  return text.trim() === '' ? `The package **${name}** comes without a README.` : cut(text, LIMITS.body);
}

/** Some write one text with commas for a list. */
function keywordsOf(value: unknown): string[] {
  const list: unknown[] = Array.isArray(value) ? value : typeof value === 'string' ? value.split(',') : [];
  const words = list
    .filter((word): word is string => typeof word === 'string')
    .map((word) => cut(cleanText(word).trim(), LIMITS.tag))
    .filter((word) => word !== '');
  return [...new Set(words)].slice(0, LIMITS.tags);
}

function objectOf(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {};
}

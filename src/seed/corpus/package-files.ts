import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What one installed package has to say of itself, unchecked: manifests are written by hand, in every shape. */
export interface PackageFiles {
  readonly manifest: Readonly<Record<string, unknown>>;
  /** Empty where there is none, or it is no file that can be read. */
  readonly readme: string;
}

const README = /^readme(\.(md|markdown|mkd|txt|rst))?$/i;
/** File handles open at a time; a folder of packages has thousands of files. */
const AT_ONCE = 16;

/**
 * The packages under a `node_modules`, the nested ones too, in the order of their paths. Links are left out: what they lead
 * to is this repository itself.
 */
export async function readPackages(folder: string): Promise<PackageFiles[]> {
  const folders = await packageFolders(folder);
  const found = new Array<PackageFiles | undefined>(folders.length);
  let next = 0;
  const reader = async (): Promise<void> => {
    for (let i = next++; i < folders.length; i = next++) found[i] = await readPackage(folders[i]!);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, reader));
  return found.filter((files) => files !== undefined);
}

async function packageFolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const folders: string[] = [];
  // By code point, as the order must be the same everywhere.
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.name.startsWith('@')) folders.push(...(await packageFolders(path)));
    else folders.push(path, ...(await packageFolders(join(path, 'node_modules'))));
  }
  return folders;
}

async function readPackage(folder: string): Promise<PackageFiles | undefined> {
  const manifest = parse(await readFile(join(folder, 'package.json'), 'utf8').catch(() => ''));
  if (!manifest) return undefined;
  const names = (await readdir(folder)).sort();
  const name = names.find((candidate) => README.test(candidate));
  const readme = name === undefined ? '' : await readFile(join(folder, name), 'utf8').catch(() => '');
  return { manifest, readme };
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    // Test fixtures inside packages are broken on purpose.
    return undefined;
  }
}

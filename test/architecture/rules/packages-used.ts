import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { packageOf, type Project, type SourceFile } from '../project.js';

/**
 * The packages that `files` need: those they import, and those of `candidates` that a string names (a log transport,
 * a plugin that a framework loads by name).
 */
export function packagesUsed(
  files: readonly SourceFile[],
  project: Project,
  candidates: readonly string[],
): Set<string> {
  const used = new Set<string>();
  for (const file of files) {
    for (const { specifier, target } of file.imports) {
      if (target.kind === 'package') used.add(target.name);
      else if (project.libs.some(({ manifest }) => manifest.name === packageOf(specifier)))
        used.add(packageOf(specifier));
    }
    const visit = (node: ts.Node): void => {
      if (ts.isStringLiteralLike(node) && candidates.includes(node.text)) used.add(node.text);
      ts.forEachChild(node, visit);
    };
    visit(file.ast);
  }
  return used;
}

/**
 * `packages` and the peers that they ask their host to install, theirs included: whoever uses a package may depend on its
 * peers without importing them. Peers that are optional are for those who know that they need them.
 */
export function withPeers(packages: ReadonlySet<string>, root: string): Set<string> {
  const all = new Set(packages);
  for (const name of all) peersOf(name, root).forEach((peer) => all.add(peer));
  return all;
}

function peersOf(name: string, folder: string): string[] {
  const path = join(folder, 'node_modules', name, 'package.json');
  if (existsSync(path)) {
    const manifest = JSON.parse(readFileSync(path, 'utf8')) as { peerDependencies?: Record<string, string> };
    return Object.keys(manifest.peerDependencies ?? {});
  }
  return dirname(folder) === folder ? [] : peersOf(name, dirname(folder));
}

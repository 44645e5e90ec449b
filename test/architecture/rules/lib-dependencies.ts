import type { Lib, Project } from '../project.js';
import type { Rule } from '../rule.js';
import { packagesUsed, withPeers } from './packages-used.js';

/** Beside a lib's src: what its specs need and nobody gets. */
const TESTS = /^libs\/[^/]+\/test\//;

/** A lib can be used on its own only if its package.json tells the whole truth. */
export const libDependencies: Rule = {
  name: 'lib-dependencies',
  promise: "a lib's package.json names exactly the packages its code imports, in the ranges of the root",
  check: (project) => project.libs.flatMap((lib) => [...bothWays(lib, project), ...ranges(lib, project)]),
};

function bothWays(lib: Lib, project: Project): string[] {
  const at = `libs/${lib.folder}/package.json:1`;
  const declared = Object.keys({ ...lib.manifest.dependencies, ...lib.manifest.peerDependencies });
  const files = project.files.filter(
    (file) => file.area === 'libs' && file.unit === lib.folder && !file.isSpec && !TESTS.test(file.path),
  );
  const used = packagesUsed(files, project, declared);
  used.delete(lib.manifest.name);
  const allowed = withPeers(used, project.root);
  return [
    ...[...used].filter((name) => !declared.includes(name)).map((name) => `${at} does not name ${name}`),
    ...declared.filter((name) => !allowed.has(name)).map((name) => `${at} names ${name}, unused`),
  ];
}

function ranges(lib: Lib, project: Project): string[] {
  const at = `libs/${lib.folder}/package.json:1`;
  const wanted = { ...lib.manifest.dependencies, ...lib.manifest.peerDependencies };
  return Object.entries(wanted).flatMap(([name, range]) => {
    const sibling = project.libs.find(({ manifest }) => manifest.name === name);
    const expected =
      sibling === undefined
        ? (project.manifest.dependencies?.[name] ?? project.manifest.devDependencies?.[name])
        : `^${sibling.manifest.version}`;
    return expected === undefined || expected === range
      ? []
      : [`${at} asks for ${name} ${range}, the workspace has ${expected}`];
  });
}

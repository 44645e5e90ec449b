import type { Rule } from '../rule.js';
import { packagesUsed, withPeers } from './packages-used.js';

/** What a site installs, it uses; what it uses at run time is not left to chance or to development. */
export const rootDependencies: Rule = {
  name: 'root-dependencies',
  promise: 'every dependency of the root is used, and none that runs is a devDependency',
  check: (project) => {
    const declared = Object.keys(project.manifest.dependencies ?? {});
    const running = project.files.filter(
      (file) => (file.area === 'src' || file.area === 'libs') && !file.isSpec,
    );
    const imported = packagesUsed(running, project, declared);
    const used = withPeers(imported, project.root);
    const site = packagesUsed(
      running.filter((file) => file.area === 'src'),
      project,
      [],
    );
    const workspace = new Set(project.libs.map(({ manifest }) => manifest.name));
    return [
      ...declared
        .filter((name) => !used.has(name))
        .map((name) => `package.json:1 depends on ${name}, which nothing uses`),
      ...[...site]
        .filter((name) => !workspace.has(name) && !declared.includes(name))
        .map((name) => `package.json:1 does not depend on ${name}, which src imports`),
    ];
  },
};

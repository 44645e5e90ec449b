import { packageOf } from '../project.js';
import { importRule } from '../rule.js';

/** `@rookery/x`, or a subpath that x's package.json exports: never a file of x, never the site from a lib. */
export const libsByName = importRule(
  'libs-by-name',
  'a lib is imported by its package name, and imports nothing of the site',
  ({ specifier, target }, file, project) => {
    if (target.kind === 'missing') {
      const lib = project.libs.find(({ manifest }) => manifest.name === packageOf(specifier));
      return lib === undefined ? undefined : `'${specifier}' is not exported by ${lib.manifest.name}`;
    }
    if (target.kind !== 'file') return undefined;
    const [area, unit] = target.path.split('/');
    const inside = file.area === 'libs' && area === 'libs' && unit === file.unit;
    // What only the tests of a lib start may use the tools of this repository.
    const tools = area === 'scripts' && file.forTests;
    if (file.area === 'libs' && area !== 'libs' && !tools) return `a lib reaches out of libs: '${specifier}'`;
    if (area === 'libs' && !inside && target.lib === undefined)
      return `'${specifier}' reaches into a lib: import ${nameOf(project, unit)}`;
    if (inside && target.lib !== undefined && !file.isSpec)
      return `a lib imports itself by name: '${specifier}'`;
    return undefined;
  },
);

function nameOf(project: Parameters<typeof libsByName.check>[0], folder: string | undefined): string {
  return project.libs.find((lib) => lib.folder === folder)?.manifest.name ?? 'its package';
}

import { importRule } from '../rule.js';

/**
 * What `src/<folder>/index.ts` does not export is nobody else's business. The benchmarks measure the inside: a baseline must
 * send the very statements that the site sends.
 */
export const featureFacades = importRule(
  'feature-facades',
  'a folder of the site is imported from outside by its index.ts only',
  ({ specifier, target }, file) => {
    if (target.kind !== 'file') return undefined;
    const [area, folder, ...rest] = target.path.split('/');
    if (area !== 'src' || folder === undefined || rest.length === 0) return undefined;
    if (file.area === 'bench' || (file.area === 'src' && file.unit === folder)) return undefined;
    return rest.join('/') === 'index.ts' ? undefined : `'${specifier}' goes past src/${folder}/index.ts`;
  },
);

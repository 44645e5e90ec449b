import { importRule } from '../rule.js';

/** The one place that loads what it cannot name: the site's own module, by the path its package.json gives. */
const LOADS_THE_SITE = /^libs\/cli\//;

/** A rule about where imports lead says nothing of an import that leads nowhere; so none may. */
export const importsResolve = importRule(
  'imports-resolve',
  'every import leads to a file that exists, an installed package or Node.js itself',
  ({ specifier, target }, file) => {
    if (target.kind === 'missing') return `'${specifier}' leads nowhere`;
    if (target.kind === 'package' && !target.found) return `'${specifier}' is not installed`;
    const product = (file.area === 'src' || file.area === 'libs') && !file.forTests;
    if (target.kind === 'computed' && product && !LOADS_THE_SITE.test(file.path))
      return 'an import of a computed path can be checked by nobody';
    return undefined;
  },
);

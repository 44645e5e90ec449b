import { COMPOSITION_ROOT, ENTRIES } from '../house.js';
import { importRule } from '../rule.js';

export const oneCompositionRoot = importRule(
  'one-composition-root',
  'nothing inside the site imports what puts it together',
  ({ target }, file) => {
    if (target.kind !== 'file' || target.path !== COMPOSITION_ROOT) return undefined;
    const outside = file.area === 'test' || file.area === 'bench' || file.isSpec;
    return outside || ENTRIES.some((entry) => entry.test(file.path))
      ? undefined
      : `imports the composition root ${COMPOSITION_ROOT}`;
  },
);

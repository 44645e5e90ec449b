import { ENTRIES, FEATURE_DIRECTIONS } from '../house.js';
import { importRule } from '../rule.js';

/** A back edge is a port declared by the lower feature and bound in the composition root. */
export const featureDirections = importRule(
  'feature-directions',
  'features import only the features below them, and shared folders import none',
  ({ target }, file) => {
    if (file.area !== 'src' || target.kind !== 'file') return undefined;
    const [area, feature, ...rest] = target.path.split('/');
    if (area !== 'src' || feature === undefined || rest.length === 0) return undefined;
    if (file.unit === feature || !(feature in FEATURE_DIRECTIONS)) return undefined;
    if (ENTRIES.some((entry) => entry.test(file.path))) return undefined;
    const allowed = FEATURE_DIRECTIONS[file.unit ?? ''] ?? [];
    return allowed.includes(feature) ? undefined : `src/${file.unit} may not import src/${feature}`;
  },
);

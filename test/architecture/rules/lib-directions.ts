import { LIB_DIRECTIONS, LIBS_FOR_SPECS } from '../house.js';
import { importRule, type Rule } from '../rule.js';

const directions = importRule('', '', ({ specifier, target }, file) => {
  if (file.area !== 'libs' || file.unit === undefined) return undefined;
  if (target.kind !== 'file' || target.lib === undefined || target.lib === file.unit) return undefined;
  if (LIB_DIRECTIONS[file.unit]?.includes(target.lib)) return undefined;
  if (file.isSpec && file.unit !== 'kernel' && LIBS_FOR_SPECS.includes(target.lib)) return undefined;
  return `${file.unit} may not import '${specifier}'`;
});

export const libDirections: Rule = {
  name: 'lib-directions',
  promise: 'libs import only the libs below them',
  check: (project) => [
    ...project.libs
      .filter(({ folder }) => !(folder in LIB_DIRECTIONS))
      .map(({ folder }) => `libs/${folder}:1 has no line in LIB_DIRECTIONS of test/architecture/house.ts`),
    ...directions.check(project),
  ],
};

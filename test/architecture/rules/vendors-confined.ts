import { CONFINEMENTS } from '../house.js';
import { importRule } from '../rule.js';

export const vendorsConfined = importRule(
  'vendors-confined',
  'a vendor is named only in the rooms that the plan gives it',
  ({ target }, file) => {
    if (target.kind !== 'package') return undefined;
    const broken = CONFINEMENTS.find(
      ({ packages, allowed }) =>
        packages.test(target.name) && !allowed.some((place) => place.test(file.path)),
    );
    return broken === undefined ? undefined : `imports ${target.name}: ${broken.says}`;
  },
);

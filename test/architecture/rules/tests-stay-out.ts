import { importRule } from '../rule.js';

/** What only tests use is not loaded by a running site. */
export const testsStayOut = importRule(
  'tests-stay-out',
  'nothing that runs in production imports test code',
  ({ specifier, target }, file) => {
    if (file.forTests || (file.area !== 'src' && file.area !== 'libs')) return undefined;
    if (target.kind === 'package')
      return /^(@jest\/|jest$|@nestjs\/testing$)/.test(target.name) ? `imports ${target.name}` : undefined;
    if (target.kind !== 'file') return undefined;
    const forTests =
      /^(test|bench|scripts)\//.test(target.path) ||
      /\.spec\.\w+$/.test(target.path) ||
      /^libs\/[^/]+\/(src\/testing|test)\//.test(target.path);
    return forTests ? `'${specifier}' is test code` : undefined;
  },
);

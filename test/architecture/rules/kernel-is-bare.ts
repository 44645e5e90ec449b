import { importRule } from '../rule.js';

/** Everything imports the kernel, so whatever it imported, everything would have. */
export const kernelIsBare = importRule(
  'kernel-is-bare',
  'the kernel imports nothing but Node.js',
  ({ specifier, target }, file) => {
    if (file.area !== 'libs' || file.unit !== 'kernel' || file.isSpec) return undefined;
    if (target.kind === 'builtin' && !specifier.startsWith('node:')) return `write 'node:${specifier}'`;
    const foreign = target.kind === 'package' || (target.kind === 'file' && target.lib !== undefined);
    return foreign ? `the kernel imports '${specifier}'` : undefined;
  },
);

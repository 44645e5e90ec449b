import ts from 'typescript';
import { syntaxRule } from '../rule.js';

const ENDS = new Set(['exit', 'abort', 'reallyExit']);

/** Only a program may decide that the process ends; a library reports. */
export const noExitInLibs = syntaxRule(
  'no-exit-in-libs',
  'no library ends the process',
  (file) => file.area === 'libs' && !file.isSpec && file.path.includes('/src/'),
  (node) =>
    ts.isPropertyAccessExpression(node) &&
    ts.isIdentifier(node.expression) &&
    node.expression.text === 'process' &&
    ENDS.has(node.name.text)
      ? `process.${node.name.text} in a library`
      : undefined,
);

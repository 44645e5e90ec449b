import ts from 'typescript';
import { syntaxRule } from '../rule.js';

const ROOTS = new Set(['describe', 'it', 'test']);
const SKIPS = new Set(['only', 'skip', 'todo', 'failing']);
const SHORT = new Set(['xit', 'xtest', 'xdescribe', 'fit', 'fdescribe']);

export const noSkippedTests = syntaxRule(
  'no-skipped-tests',
  'every test that is written is run',
  (file) => file.isSpec,
  (node) => {
    if (ts.isIdentifier(node) && SHORT.has(node.text) && ts.isCallExpression(node.parent))
      return `${node.text} leaves tests out`;
    if (!ts.isPropertyAccessExpression(node) || !SKIPS.has(node.name.text)) return undefined;
    return ROOTS.has(rootOf(node)) ? `${node.getText()} leaves tests out` : undefined;
  },
);

function rootOf(node: ts.Expression): string {
  if (ts.isPropertyAccessExpression(node) || ts.isCallExpression(node)) return rootOf(node.expression);
  return ts.isIdentifier(node) ? node.text : '';
}

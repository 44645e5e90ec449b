import ts from 'typescript';
import { syntaxRule } from '../rule.js';

/** `forwardRef` makes a cycle start; the cycle stays. */
export const noForwardRef = syntaxRule(
  'no-forward-ref',
  'no cycle of modules or providers is papered over',
  () => true,
  (node) =>
    ts.isIdentifier(node) && node.text === 'forwardRef' && !ts.isImportSpecifier(node.parent)
      ? 'forwardRef: declare a port in the lower of the two and bind it in the composition root'
      : undefined,
);

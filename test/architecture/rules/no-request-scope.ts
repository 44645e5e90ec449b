import ts from 'typescript';
import { syntaxRule } from '../rule.js';

/** Request-scoped providers are made anew, with all that injects them, for each request: 2.8 times the CPU. */
export const noRequestScope = syntaxRule(
  'no-request-scope',
  'no provider is made per request',
  () => true,
  (node) =>
    ts.isPropertyAccessExpression(node) &&
    ts.isIdentifier(node.expression) &&
    node.expression.text === 'Scope' &&
    node.name.text === 'REQUEST'
      ? "Scope.REQUEST: what belongs to a request is in the kernel's context"
      : undefined,
);

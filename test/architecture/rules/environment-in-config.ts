import ts from 'typescript';
import { syntaxRule } from '../rule.js';

/** One place reads the environment, checks all of it and reports every fault at once: src/config. */
export const environmentInConfig = syntaxRule(
  'environment-in-config',
  'only src/config reads the environment',
  // A library's programs (`bin`) may hand their environment on; the library itself is told what it needs.
  (file) =>
    !file.forTests &&
    (/^libs\/[^/]+\/src\//.test(file.path) || (file.area === 'src' && file.unit !== 'config')),
  (node) => (readsEnvironment(node) ? 'reads the environment outside src/config' : undefined),
);

function readsEnvironment(node: ts.Node): boolean {
  if (ts.isPropertyAccessExpression(node)) return isProcess(node.expression) && node.name.text === 'env';
  if (ts.isElementAccessExpression(node))
    return (
      isProcess(node.expression) &&
      ts.isStringLiteralLike(node.argumentExpression) &&
      node.argumentExpression.text === 'env'
    );
  if (ts.isBindingElement(node)) {
    const declaration = node.parent.parent;
    const taken = node.propertyName ?? node.name;
    return (
      ts.isVariableDeclaration(declaration) &&
      declaration.initializer !== undefined &&
      isProcess(declaration.initializer) &&
      ts.isIdentifier(taken) &&
      taken.text === 'env'
    );
  }
  if (ts.isImportSpecifier(node)) {
    const from = node.parent.parent.parent.moduleSpecifier;
    const taken = (node.propertyName ?? node.name).text;
    return ts.isStringLiteral(from) && /^(node:)?process$/.test(from.text) && taken === 'env';
  }
  return false;
}

function isProcess(node: ts.Expression): boolean {
  if (ts.isIdentifier(node)) return node.text === 'process';
  return (
    ts.isPropertyAccessExpression(node) &&
    node.name.text === 'process' &&
    ts.isIdentifier(node.expression) &&
    node.expression.text === 'globalThis'
  );
}

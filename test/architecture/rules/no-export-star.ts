import ts from 'typescript';
import { syntaxRule } from '../rule.js';

export const noExportStar = syntaxRule(
  'no-export-star',
  'an index.ts names what it exports',
  (file) => file.path.endsWith('/index.ts'),
  (node) =>
    ts.isExportDeclaration(node) && node.exportClause === undefined
      ? 'export * hides what is public'
      : undefined,
);

import ts from 'typescript';
import { lineOf, type Import, type Project, type SourceFile } from './project.js';

/** One line a developer can act on: `file:line what is wrong`. */
export type Violation = string;

export interface Rule {
  /** Also the name of the fixture folder that breaks it. */
  readonly name: string;
  /** The promise it keeps, as the test's title. */
  readonly promise: string;
  check(project: Project): Violation[] | Promise<Violation[]>;
}

/** A rule that needs nothing but the tree it was given. */
export interface StaticRule extends Rule {
  check(project: Project): Violation[];
}

export function violation(file: string, line: number, what: string): Violation {
  return `${file}:${line} ${what}`;
}

/** A rule that judges each import by itself; `judge` answers what is wrong with it. */
export function importRule(
  name: string,
  promise: string,
  judge: (found: Import, file: SourceFile, project: Project) => string | undefined,
): StaticRule {
  return {
    name,
    promise,
    check: (project) =>
      project.files.flatMap((file) =>
        file.imports.flatMap((found) => {
          const wrong = judge(found, file, project);
          return wrong === undefined ? [] : [violation(file.path, found.line, wrong)];
        }),
      ),
  };
}

/** A rule that judges each node of the syntax trees of the files that `applies` to. */
export function syntaxRule(
  name: string,
  promise: string,
  applies: (file: SourceFile) => boolean,
  judge: (node: ts.Node) => string | undefined,
): StaticRule {
  return {
    name,
    promise,
    check: (project) =>
      project.files.filter(applies).flatMap((file) => {
        const found: Violation[] = [];
        const visit = (node: ts.Node): void => {
          const wrong = judge(node);
          if (wrong !== undefined) found.push(violation(file.path, lineOf(node), wrong));
          ts.forEachChild(node, visit);
        };
        visit(file.ast);
        return found;
      }),
  };
}

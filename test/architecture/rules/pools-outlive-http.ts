import ts from 'typescript';
import { lineOf } from '../project.js';
import { violation, type Rule, type Violation } from '../rule.js';

/** Nest runs these two before its HTTP server has drained; `onApplicationShutdown` runs after. */
const TOO_EARLY = new Set(['onModuleDestroy', 'beforeApplicationShutdown']);
const CLOSES = new Set(['end', 'destroy', 'close', 'quit', 'disconnect']);

/** Measured: pools closed in `onModuleDestroy` fail the requests that are still in flight. */
export const poolsOutliveHttp: Rule = {
  name: 'pools-outlive-http',
  promise: 'nothing that requests in flight need is closed before HTTP has drained',
  check: (project) =>
    project.files
      .filter((file) => file.area === 'src' || file.area === 'libs')
      .flatMap((file) => {
        const found: Violation[] = [];
        const visit = (node: ts.Node): void => {
          if (ts.isClassLike(node)) {
            for (const call of earlyCloses(node))
              found.push(violation(file.path, lineOf(call), `${call.getText()} before HTTP has drained`));
          }
          ts.forEachChild(node, visit);
        };
        visit(file.ast);
        return found;
      }),
};

/** Calls that close something, in the early hooks of a class and in its own methods that they call. */
function earlyCloses(node: ts.ClassLikeDeclaration): ts.CallExpression[] {
  const members = new Map(
    node.members.flatMap((member) =>
      member.name !== undefined ? [[member.name.getText(), member] as const] : [],
    ),
  );
  const seen = new Set<string>();
  const found: ts.CallExpression[] = [];
  const follow = (name: string): void => {
    const member = members.get(name);
    if (member === undefined || seen.has(name)) return;
    seen.add(name);
    const visit = (inner: ts.Node): void => {
      if (ts.isCallExpression(inner) && ts.isPropertyAccessExpression(inner.expression)) {
        const { name: called, expression: on } = inner.expression;
        if (on.kind === ts.SyntaxKind.ThisKeyword && members.has(called.text)) follow(called.text);
        else if (CLOSES.has(called.text)) found.push(inner);
      }
      ts.forEachChild(inner, visit);
    };
    visit(member);
  };
  for (const hook of TOO_EARLY) follow(hook);
  return found;
}

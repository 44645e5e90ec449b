import type { Project } from '../project.js';
import type { Rule } from '../rule.js';

/** Type imports are erased, so they may point both ways; imports that run may not. */
export const noCycles: Rule = {
  name: 'no-cycles',
  promise: 'no file imports itself by way of others',
  check: (project) => {
    const edges = runtimeEdges(project);
    return components(edges).map((members) => {
      const cycle = shortestCycle([...members].sort()[0]!, members, edges);
      return `${cycle[0]}:1 is part of a cycle: ${cycle.join(' → ')}`;
    });
  },
};

type Edges = ReadonlyMap<string, readonly string[]>;

function runtimeEdges(project: Project): Edges {
  return new Map(
    project.files.map((file) => [
      file.path,
      file.imports.flatMap(({ typeOnly, target }) =>
        target.kind === 'file' && !typeOnly ? [target.path] : [],
      ),
    ]),
  );
}

/** Strongly connected components with a cycle in them (Tarjan, 1972). */
function components(edges: Edges): ReadonlySet<string>[] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const onStack = new Set<string>();
  const found: Set<string>[] = [];
  const visit = (node: string): void => {
    index.set(node, index.size);
    low.set(node, index.get(node)!);
    stack.push(node);
    onStack.add(node);
    for (const next of edges.get(node) ?? []) {
      if (!index.has(next)) {
        visit(next);
        low.set(node, Math.min(low.get(node)!, low.get(next)!));
      } else if (onStack.has(next)) {
        low.set(node, Math.min(low.get(node)!, index.get(next)!));
      }
    }
    if (low.get(node) !== index.get(node)) return;
    const members = new Set<string>();
    for (let member = ''; member !== node;) {
      member = stack.pop()!;
      onStack.delete(member);
      members.add(member);
    }
    if (members.size > 1 || edges.get(node)?.includes(node)) found.push(members);
  };
  for (const node of edges.keys()) if (!index.has(node)) visit(node);
  return found;
}

/** Breadth first from `start` back to it: what a reader needs to see to break it. */
function shortestCycle(start: string, members: ReadonlySet<string>, edges: Edges): string[] {
  const paths: string[][] = [[start]];
  const seen = new Set<string>();
  for (const path of paths) {
    for (const next of edges.get(path.at(-1)!) ?? []) {
      if (next === start) return [...path, start];
      if (!members.has(next) || seen.has(next)) continue;
      seen.add(next);
      paths.push([...path, next]);
    }
  }
  return [start];
}

import type { Incoming } from '../support/wire.js';

/** What stands between the client and the site. */
export type Edge = 'none' | 'nginx';

/** What `deploy/nginx` may refuse by itself, for what a client sent. */
const OF_NGINX = new Set([400, 404, 405, 413, 414, 431]);

/** Whether the answer is of the edge, and no replica has seen the request: those name the code of their errors. */
export function isOfEdge(edge: Edge, { status, headers }: Incoming): boolean {
  return edge === 'nginx' && OF_NGINX.has(status) && headers['x-error-code'] === undefined;
}

/** What is wrong with a refusal by the edge; empty if nothing is: a problem document that says the same as the status. */
export function edgeFaultsOf({ status, headers, text }: Incoming): string[] {
  const faults: string[] = [];
  const type = headers['content-type'] ?? '';
  if (type !== 'application/problem+json') faults.push(`content-type of the edge is '${type}'`);
  if (!/^[\da-f]{32}$/.test(String(headers['x-request-id']))) faults.push('the edge gives no x-request-id');
  if (headers['server'] !== 'nginx') faults.push(`the edge says that it is '${String(headers['server'])}'`);
  try {
    const problem = JSON.parse(text) as { type?: unknown; title?: unknown; status?: unknown };
    if (problem.status !== status) faults.push(`the edge says ${String(problem.status)} in ${status}`);
    if (problem.type !== 'about:blank' || typeof problem.title !== 'string' || problem.title === '')
      faults.push('the edge does not say what it is about');
  } catch {
    faults.push('the document of the edge is not JSON');
  }
  return faults;
}

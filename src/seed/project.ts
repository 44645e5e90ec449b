import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The nearest `node_modules` above a folder. @throws Error if there is none */
export function nearestPackages(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    const found = join(at, 'node_modules');
    if (existsSync(found)) return found;
    if (dirname(at) === at) throw new Error(`no node_modules above ${folder}: run npm install first`);
  }
}

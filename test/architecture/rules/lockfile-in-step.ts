import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../project.js';
import type { StaticRule } from '../rule.js';

const KINDS = ['dependencies', 'peerDependencies', 'devDependencies'] as const;

interface Lock {
  readonly packages: Record<
    string,
    Partial<Manifest> & { readonly optionalDependencies?: Record<string, string> }
  >;
}

/**
 * `npm ci` refuses a lock file that was left behind, or that lacks a package of another platform: a registry that had not
 * published one yet leaves it out in silence. Then nothing is tested at all; the cure is an older version of the package.
 */
export const lockfileInStep: StaticRule = {
  name: 'lockfile-in-step',
  promise: 'package-lock.json has what every package.json asks for, on every platform',
  check: ({ root, manifest, libs }) => {
    const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;
    const manifests: [string, Manifest][] = [
      ['', manifest],
      ...libs.map((lib): [string, Manifest] => [`libs/${lib.folder}`, lib.manifest]),
    ];
    return [
      ...manifests
        .filter(([path, wanted]) => KINDS.some((kind) => !same(wanted[kind], lock.packages[path]?.[kind])))
        .map(([path]) => `package-lock.json:1 is behind ${join(path, 'package.json')}: run npm install`),
      ...leftOut(lock),
    ];
  },
};

function leftOut({ packages }: Lock): string[] {
  const present = new Set(Object.keys(packages).map((path) => path.replace(/^.*node_modules\//, '')));
  return Object.entries(packages).flatMap(([path, { optionalDependencies }]) =>
    Object.keys(optionalDependencies ?? {})
      .filter((name) => !present.has(name))
      .map((name) => `package-lock.json:1 lacks ${name}, which ${path} wants on some platform`),
  );
}

function same(one: Record<string, string> = {}, other: Record<string, string> = {}): boolean {
  const sorted = (ranges: Record<string, string>): string =>
    Object.entries(ranges)
      .map(([name, range]) => `${name} ${range}`)
      .sort()
      .join();
  return sorted(one) === sorted(other);
}

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lib, Project } from '../project.js';
import type { Rule } from '../rule.js';

/** The doors a lib may have, and the one file behind each. */
const DOORS: Readonly<Record<string, string>> = {
  '.': 'index',
  './servers': 'servers/index',
  './testing': 'testing/index',
};

/** What `exports` does not name does not exist; and the build must know the same doors as the type check. */
export const packageSurface: Rule = {
  name: 'package-surface',
  promise:
    "a lib's package.json exports its index (and servers, testing) and nothing else, and it has a README",
  check: (project) => [...project.libs.flatMap((lib) => surfaceOf(lib, project)), ...buildPaths(project)],
};

function surfaceOf({ folder, manifest }: Lib, { root }: Project): string[] {
  const at = `libs/${folder}/package.json:1`;
  const wrong: string[] = [];
  if (manifest.name !== `@rookery/${folder}`) wrong.push(`${at} is named ${manifest.name}`);
  if (manifest.exports?.['.'] === undefined) wrong.push(`${at} exports no index`);
  for (const [door, conditions] of Object.entries(manifest.exports ?? {})) {
    const file = DOORS[door];
    if (file === undefined) {
      wrong.push(`${at} exports '${door}'`);
      continue;
    }
    const expected = {
      'rookery-source': `./src/${file}.ts`,
      types: `./dist/${file}.d.ts`,
      default: `./dist/${file}.js`,
    };
    if (JSON.stringify(conditions) !== JSON.stringify(expected))
      wrong.push(`${at} exports '${door}' as ${JSON.stringify(conditions)}`);
    if (!existsSync(join(root, 'libs', folder, 'src', `${file}.ts`)))
      wrong.push(`${at} exports '${door}', but src/${file}.ts does not exist`);
  }
  if (!existsSync(join(root, 'libs', folder, 'README.md'))) wrong.push(`libs/${folder}:1 has no README.md`);
  return wrong;
}

/** `.swcrc` rewrites the libs' names to files of the one dist: by exactly the doors that the libs declare. */
function buildPaths({ root, libs }: Project): string[] {
  const swc = JSON.parse(readFileSync(join(root, '.swcrc'), 'utf8')) as {
    jsc: { paths?: Record<string, string[]> };
  };
  const known = new Map(Object.entries(swc.jsc.paths ?? {}));
  const wrong: string[] = [];
  for (const { folder, manifest } of libs) {
    for (const door of Object.keys(manifest.exports ?? {}).filter((name) => name in DOORS)) {
      const name = manifest.name + door.slice(1);
      const file = `libs/${folder}/src/${DOORS[door]}.ts`;
      if (known.get(name)?.join() !== file) wrong.push(`.swcrc:1 does not lead ${name} to ${file}`);
      known.delete(name);
    }
  }
  return [...wrong, ...[...known.keys()].map((name) => `.swcrc:1 knows ${name}, which no lib exports`)];
}

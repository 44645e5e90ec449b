import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { loadConfig, type Config } from '../../src/config/index.js';
import { parseDockerfile, variablesOf } from '../stack/support/dockerfile.js';

const root = join(import.meta.dirname, '../..');

/** Variables that Node reads itself. */
const OF_NODE = ['NODE_OPTIONS'];

/** Every variable that src/config reads, by the text of its schema and of its list of secrets. */
export function knownVariables(): Set<string> {
  const source = readFileSync(join(root, 'src/config/config.ts'), 'utf8');
  const schema = /^const schema = z$([^]*?)^ {2}\}\)/m.exec(source)?.[1] ?? '';
  const names = [...schema.matchAll(/^ {4}([A-Z][A-Z0-9_]*):/gm)].map(([, name]) => name!);
  const secrets = /^const SECRETS = \[(.*)\]/m.exec(source)?.[1] ?? '';
  const files = [...secrets.matchAll(/'(\w+)'/g)].map(([, name]) => `${name}_FILE`);
  return new Set([...names, ...files, ...OF_NODE]);
}

/** What the image sets by itself. */
export function imageEnvironment(): Record<string, string> {
  const last = parseDockerfile(readFileSync(join(root, 'deploy/Dockerfile'), 'utf8')).at(-1)!;
  return Object.assign(
    {},
    ...last.steps.flatMap(({ name, args }) => (name === 'ENV' ? [variablesOf(args)] : [])),
  ) as Record<string, string>;
}

/** Variables that nobody would read: a word misspelt, or of another version. */
export function unknownVariables(environment: Readonly<Record<string, string>>): string[] {
  const known = knownVariables();
  return Object.keys(environment).filter((name) => !known.has(name));
}

/**
 * What the site makes of an environment whose secrets are in files: those it names are taken from `secrets` by their last
 * name. @throws ConfigFault
 */
export function configOf(
  environment: Readonly<Record<string, string>>,
  secrets: Readonly<Record<string, string>>,
): Config {
  const folder = mkdtempSync(join(tmpdir(), 'rookery-secrets-'));
  try {
    const here = Object.entries(environment).map(([name, value]) => {
      if (!name.endsWith('_FILE')) return [name, value];
      const file = basename(value);
      if (file in secrets) writeFileSync(join(folder, file), secrets[file]!);
      return [name, join(folder, file)];
    });
    return loadConfig(Object.fromEntries(here) as NodeJS.ProcessEnv, false);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

import { cleanText, cut, LIMITS } from './limits.js';

/** Who looks at what the others wrote, and can sign in. */
export const DEMO = 'demo';
/** Stands in no handle, so that names made of a handle and a suffix meet no other handle. */
export const SUFFIX = '~';

/**
 * The username of who wrote a package: its author, else its first maintainer or contributor, else its scope, else its own
 * name. Letters of every script stay; white space becomes a hyphen, since people type names into addresses.
 */
export function handleOf(manifest: Readonly<Record<string, unknown>>): string {
  const people = [manifest['author'], first(manifest['maintainers']), first(manifest['contributors'])];
  for (const person of people) {
    const handle = handleFrom(nameOf(person));
    if (handle !== '') return handle;
  }
  const name = String(manifest['name']);
  const scope = /^@([^/]+)\//.exec(name)?.[1];
  return handleFrom(scope ?? name) || 'somebody';
}

function first(value: unknown): unknown {
  return Array.isArray(value) ? (value as unknown[])[0] : undefined;
}

/** npm's form of a person: `{ name }`, or `Name <email> (url)` in one text. */
function nameOf(person: unknown): string {
  if (typeof person === 'object' && person !== null && 'name' in person) return nameOf(person.name);
  return typeof person === 'string' ? person.replace(/[<(].*$/su, '') : '';
}

function handleFrom(name: string): string {
  const words = cleanText(name)
    .normalize('NFC')
    .replace(/[\s/\\?#%@~]+/gu, '-');
  const handle = cut(words.replace(/^[-.]+|[-.]+$/gu, ''), LIMITS.username).replace(/-+$/u, '');
  return handle === DEMO ? `${DEMO}${SUFFIX}author` : handle;
}

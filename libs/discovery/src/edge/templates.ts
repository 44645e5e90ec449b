import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { discoveryErrors } from '../discovery.errors.js';

export type TemplateValues = Readonly<Record<string, string>>;

/** `#= NAME default   what it is`; without a default where two blanks follow. */
const DEFAULT = /^#= ([A-Z][A-Z0-9_]*)(?: (?! )(\S+))?.*$/gm;
const PLACE = /\$\{([A-Z][A-Z0-9_]*)\}/g;
/** A value must not end the line or the directive it stands in. */
const UNSAFE = /[;{}#"'\\\r\n\0]/;

/**
 * Fills in the templates of a folder of `deploy/`, which belong together: `${NAME}` by `values`, else by the default that a
 * line `#= NAME default` of any of them gives.
 * @throws RK_DISCOVERY_BAD_TEMPLATE for a place without a value, a value without a place, or one that would end its line
 */
export function renderTemplates(
  templates: Readonly<Record<string, string>>,
  values: TemplateValues = {},
): Record<string, string> {
  const known = new Map<string, string | undefined>();
  for (const text of Object.values(templates))
    for (const [, name, byDefault] of text.matchAll(DEFAULT)) known.set(name!, byDefault);
  for (const [name, value] of Object.entries(values)) {
    if (!known.has(name)) throw bad('values', `nothing is called ${name}`);
    if (UNSAFE.test(value)) throw bad('values', `${name} would end its line`);
    known.set(name, value);
  }
  const rendered = Object.entries(templates).map(([file, text]): [string, string] => [
    file,
    text.replace(PLACE, (_, name: string) => {
      const value = known.get(name);
      if (value === undefined) throw bad(file, `${name} is not given`);
      return value;
    }),
  ]);
  return Object.fromEntries(rendered);
}

export interface RenderOptions {
  /** Folder of the templates: `deploy/nginx`, `deploy/haproxy`. */
  readonly from: string;
  /** Folder to write into, made if it is not there; the prefix of Nginx, with its folders `logs` and `tmp`. */
  readonly to: string;
  readonly values?: TemplateValues;
}

/** Left alone where it is there: it is the edge agent's. */
const UPSTREAM = 'upstream.conf';
/** Only with certificates. */
const TLS = 'tls.conf';

/** Renders a folder of templates into another. @throws RK_DISCOVERY_BAD_TEMPLATE, what node:fs throws */
export async function renderFolder({ from, to, values = {} }: RenderOptions): Promise<void> {
  const templates: Record<string, string> = {};
  for (const file of (await readdir(from)).filter((name) => /\.(conf|cfg)$/.test(name)))
    templates[file] = await readFile(join(from, file), 'utf8');
  if (values['CERTIFICATE'] === undefined) delete templates[TLS];
  const rendered = renderTemplates(templates, values);
  for (const folder of ['logs', 'tmp']) await mkdir(join(to, folder), { recursive: true });
  if (await isThere(join(to, UPSTREAM))) delete rendered[UPSTREAM];
  for (const [file, text] of Object.entries(rendered)) await writeFile(join(to, file), text);
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function bad(file: string, reason: string): Error {
  return discoveryErrors.create('BAD_TEMPLATE', { data: { file, reason } });
}

import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { load, loadAll } from 'js-yaml';

export type Json =
  string | number | boolean | null | undefined | readonly Json[] | { readonly [key: string]: Json };
export type Fields = { readonly [key: string]: Json };

/** A manifest of Kubernetes. */
export interface Manifest extends Fields {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Fields & { readonly name: string };
}

interface Kustomization {
  readonly namespace?: string;
  readonly resources?: readonly string[];
  readonly images?: readonly { readonly name: string; readonly newName: string; readonly newTag: string }[];
  readonly configMapGenerator?: readonly {
    readonly name: string;
    readonly behavior?: 'merge';
    readonly literals: readonly string[];
    readonly options?: { readonly labels: Fields };
  }[];
  readonly patches?: readonly {
    readonly path: string;
    readonly target?: { readonly kind: string; readonly name: string };
  }[];
}

/** Keys that lists of objects are merged by; lists without one are replaced. */
const MERGE_KEYS = ['name', 'containerPort', 'mountPath'];

/**
 * What `kubectl kustomize` makes of a folder, as far as our files use it: resources, generated ConfigMaps (without the hash
 * in their names), images, namespace, patches by merge and by place.
 * @throws where a patch has no target
 */
export function kustomize(folder: string): Manifest[] {
  const plan = load(readFileSync(join(folder, 'kustomization.yaml'), 'utf8')) as Kustomization;
  let manifests = (plan.resources ?? []).flatMap((path) => {
    const whole = join(folder, path);
    return statSync(whole).isDirectory()
      ? kustomize(whole)
      : (loadAll(readFileSync(whole, 'utf8')) as Manifest[]);
  });
  for (const { name, behavior, literals, options } of plan.configMapGenerator ?? []) {
    const data = Object.fromEntries(
      literals.map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]),
    );
    const metadata = { name, ...(options ? { labels: options.labels } : {}) };
    if (behavior === 'merge')
      manifests = patched(manifests, 'ConfigMap', name, (map) => merge(map, { data }));
    else manifests.push({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data });
  }
  for (const { path, target } of plan.patches ?? []) {
    const patch = load(readFileSync(join(folder, path), 'utf8')) as Manifest | Operation[];
    manifests = Array.isArray(patch)
      ? patched(manifests, target!.kind, target!.name, (manifest) => patch.reduce(operate, manifest as Json))
      : patched(manifests, patch.kind, patch.metadata.name, (manifest) => merge(manifest, patch));
  }
  for (const { name, newName, newTag } of plan.images ?? []) {
    manifests = replaceImage(manifests, name, `${newName}:${newTag}`) as Manifest[];
  }
  const { namespace } = plan;
  if (namespace === undefined) return manifests;
  return manifests.map((one) =>
    one.kind === 'Namespace' ? one : { ...one, metadata: { ...one.metadata, namespace } },
  );
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value: Json;
}

function patched(
  manifests: readonly Manifest[],
  kind: string,
  name: string,
  change: (manifest: Manifest) => Json,
): Manifest[] {
  if (!manifests.some((one) => one.kind === kind && one.metadata.name === name)) {
    throw new Error(`a patch has no target: ${kind} ${name}`);
  }
  return manifests.map((one) =>
    one.kind === kind && one.metadata.name === name ? (change(one) as Manifest) : one,
  );
}

/** Strategic merge. */
function merge(base: Json, patch: Json): Json {
  if (isList(base) && isList(patch)) {
    const key = MERGE_KEYS.find((one) => [...base, ...patch].every((item) => isFields(item) && one in item));
    if (key === undefined) return patch;
    const same = (a: Json, b: Json) => (a as Fields)[key] === (b as Fields)[key];
    return [
      ...base.map((item) => patch.filter((one) => same(one, item)).reduce(merge, item)),
      ...patch.filter((one) => !base.some((item) => same(one, item))),
    ];
  }
  if (!isFields(base) || !isFields(patch)) return patch;
  const merged: Record<string, Json> = { ...base };
  for (const [key, value] of Object.entries(patch))
    merged[key] = key in base ? merge(base[key], value) : value;
  return merged;
}

/** One operation of RFC 6902: `test` and `replace`. */
function operate(value: Json, { op, path, value: given }: Operation): Json {
  const [, ...keys] = path.split('/');
  const step = (at: Json, [key, ...rest]: readonly string[]): Json => {
    if (key === undefined) {
      if (at === undefined) throw new Error(`a patch has no place: ${path}`);
      if (op === 'replace') return given;
      if (op === 'test' && JSON.stringify(at) === JSON.stringify(given)) return at;
      throw new Error(`${op} ${path} does not hold: ${JSON.stringify(at)}`);
    }
    if (isList(at)) return at.map((item, i) => (String(i) === key ? step(item, rest) : item));
    if (!isFields(at)) throw new Error(`a patch has no place: ${path}`);
    return { ...at, [key]: step(at[key], rest) };
  };
  return step(value, keys);
}

function replaceImage(value: Json, name: string, image: string): Json {
  if (isList(value)) return value.map((item) => replaceImage(item, name, image));
  if (!isFields(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === 'image' && item === name ? image : replaceImage(item, name, image),
    ]),
  );
}

export function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

export function isFields(value: Json): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

import '../../scripts/run-source.mjs';

/** Jest loads its global setup by Node itself, not by its transforms: the library's source goes through our hooks. */
export function importSource(path) {
  return import(new URL(`../../libs/${path}`, import.meta.url));
}

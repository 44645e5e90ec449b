import type { Cache } from '@rookery/cache';

const AT_ONCE = 32;

/** Who invalidates where this replica cannot tell the others. */
export interface Help {
  invalidate(tags: readonly string[]): Promise<boolean>;
}

/** Ends what carries any of the tags, each once. Gives whether no replica serves it any more. */
export async function invalidateTags(cache: Cache, tags: readonly string[], help?: Help): Promise<boolean> {
  const stale = [...new Set(tags)];
  let all = true;
  for (let at = 0; at < stale.length; at += AT_ONCE) {
    const some = stale.slice(at, at + AT_ONCE);
    const { acknowledged } = await cache.invalidate(some);
    const done = acknowledged || ((await help?.invalidate(some)) ?? false);
    all &&= done;
  }
  return all;
}

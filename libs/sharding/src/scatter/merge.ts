/**
 * Merges lists that are each in order into one, taking `limit` items after the first `skip`.
 * Stable: of equal items the one from the earlier list comes first. O(items taken × lists): lists are shards, few.
 */
export function mergeOrdered<T>(
  lists: readonly (readonly T[])[],
  compare: (a: T, b: T) => number,
  limit: number,
  skip = 0,
): T[] {
  if (lists.length === 1) return lists[0]!.slice(skip, skip + limit);
  const next = new Array<number>(lists.length).fill(0);
  const merged: T[] = [];
  for (let taken = 0; taken < skip + limit; taken++) {
    let best = -1;
    for (let i = 0; i < lists.length; i++) {
      if (next[i]! >= lists[i]!.length) continue;
      if (best < 0 || compare(lists[i]![next[i]!]!, lists[best]![next[best]!]!) < 0) best = i;
    }
    if (best < 0) break;
    if (taken >= skip) merged.push(lists[best]![next[best]!]!);
    next[best]! += 1;
  }
  return merged;
}

/**
 * Order of text under `COLLATE "C"`: by bytes of UTF-8, which is by code point. JavaScript's own `<` compares UTF-16
 * units and puts everything beyond U+FFFF before U+E000.
 */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    return fixup(x) - fixup(y);
  }
  return a.length - b.length;
}

/** Moves surrogates above all other units, as their code points are. */
function fixup(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

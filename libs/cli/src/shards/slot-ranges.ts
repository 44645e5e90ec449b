export type SlotRange = readonly [first: number, last: number];

/** Ascending slots as ranges without gaps. */
export function slotRanges(slots: readonly number[]): SlotRange[] {
  const ranges: [number, number][] = [];
  for (const slot of slots) {
    const last = ranges.at(-1);
    if (last && slot === last[1] + 1) last[1] = slot;
    else ranges.push([slot, slot]);
  }
  return ranges;
}

/** `0–1023, 2048–4095`; the first few where slots were moved about. */
export function rangesText(ranges: readonly SlotRange[], most = 3): string {
  const shown = ranges
    .slice(0, most)
    .map(([first, last]) => (first === last ? String(first) : `${first}–${last}`));
  if (ranges.length > most) shown.push(`… ${ranges.length - most} more`);
  return shown.join(', ');
}

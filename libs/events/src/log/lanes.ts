import { LANES } from './log.schema.js';

/** Several lanes of a shard as one number: bit n is lane n. */
export type LaneMask = number;

export const EVERY_LANE: LaneMask = 2 ** LANES - 1;

/** The lanes of these slots, of which reads know `shard_slot & 15`. A lane is a slot of its own. */
export function laneMask(slots: Iterable<number>): LaneMask {
  let mask = 0;
  for (const slot of slots) mask |= 1 << (slot & (LANES - 1));
  return mask;
}

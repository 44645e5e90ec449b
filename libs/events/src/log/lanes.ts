import { LANES } from './log.schema.js';

/** Several lanes of a shard as one number: bit n is lane n. */
export type LaneMask = number;

export const EVERY_LANE: LaneMask = 2 ** LANES - 1;

export function laneMask(lanes: Iterable<number>): LaneMask {
  let mask = 0;
  for (const lane of lanes) mask |= 1 << lane;
  return mask;
}

/** The lanes of these slots: what the log's reading calls `shard_slot & 15`. */
export function lanesOfSlots(slots: Iterable<number>): LaneMask {
  let mask = 0;
  for (const slot of slots) mask |= 1 << (slot & (LANES - 1));
  return mask;
}

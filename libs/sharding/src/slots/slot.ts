import { SLOT_COUNT, slotOfId, type Id } from '@rookery/kernel';
import { shardingErrors } from '../sharding.errors.js';
import { hashtext } from './hashtext.js';

/** A value chosen by people (a username): its hash gives its slot. Made by `natural`. */
export interface NaturalKey {
  readonly natural: string;
}

/** A slot that is known already, e.g. from a short code. Made by `atSlot`. */
export interface SlotKey {
  readonly slot: number;
}

/** What routes a call: an id, which carries its slot, a natural key, or a slot. */
export type ShardKey = Id | NaturalKey | SlotKey;

export function atSlot(slot: number): SlotKey {
  return { slot };
}

export function natural(value: string): NaturalKey {
  return { natural: value };
}

/** Slot of a natural key: the same as `rookery_slot_of_key(value)` in SQL. */
export function slotOfNaturalKey(value: string): number {
  return hashtext(value) & (SLOT_COUNT - 1);
}

/**
 * The slot a key lives in.
 * @throws RK_SHARDING_MISSING_KEY for nothing at all, RK_KERNEL_BAD_ID for a string that is no id
 */
export function slotOf(key: ShardKey): number {
  if (typeof key === 'string') return slotOfId(key);
  if (key !== null && typeof key === 'object') {
    if ('natural' in key && typeof key.natural === 'string') return slotOfNaturalKey(key.natural);
    if ('slot' in key && Number.isInteger(key.slot) && key.slot >= 0 && key.slot < SLOT_COUNT)
      return key.slot;
  }
  throw shardingErrors.create('MISSING_KEY', { data: { what: 'an id, natural(value) or atSlot(slot)' } });
}

import { randomFillSync } from 'node:crypto';
import { kernelErrors } from './kernel.errors.js';

/** Slots of a cluster: 12 bits, so that a slot fits the `rand_a` field of a UUIDv7. Fixed for the life of a cluster. */
export const SLOT_COUNT = 4096;

/**
 * An id: a UUIDv7 (RFC 9562, 5.7) in lower-case text whose `rand_a` field is the slot it lives in. The 48 bits before it
 * are milliseconds since 1970, so ids sort by their time of creation; the 62 bits after it are random.
 */
export type Id = string;

const ID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const SLOT_HEX = Array.from({ length: SLOT_COUNT }, (_, slot) => slot.toString(16).padStart(3, '0'));

const TIME_LIMIT = 2 ** 48;
const RANDOM_BYTES = 8;
const pool = Buffer.allocUnsafe(RANDOM_BYTES * 512);
let used = pool.length;
/** The text of the last id's time: many ids are made in one millisecond. */
let lastAt = -1;
let lastTime = '';

/**
 * A new id in `slot`.
 * @param slot 0 to 4095
 * @param at milliseconds since 1970; the present by default
 * @throws RK_KERNEL_BAD_SLOT, RK_KERNEL_BAD_TIME
 */
export function newId(slot: number, at: number = Date.now()): Id {
  const slotHex = SLOT_HEX[slot];
  if (slotHex === undefined) throw kernelErrors.create('BAD_SLOT', { data: { slot } });
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  if (!(at >= 0 && at < TIME_LIMIT && Number.isInteger(at)))
    throw kernelErrors.create('BAD_TIME', { data: { at } });
  const o = used;
  used += RANDOM_BYTES;
  if (at !== lastAt) {
    const time = at.toString(16).padStart(12, '0');
    lastTime = `${time.slice(0, 8)}-${time.slice(8)}-7`;
    lastAt = at;
  }
  return (
    lastTime +
    slotHex +
    '-' +
    HEX[(pool[o]! & 0x3f) | 0x80]! +
    HEX[pool[o + 1]!]! +
    '-' +
    HEX[pool[o + 2]!]! +
    HEX[pool[o + 3]!]! +
    HEX[pool[o + 4]!]! +
    HEX[pool[o + 5]!]! +
    HEX[pool[o + 6]!]! +
    HEX[pool[o + 7]!]!
  );
}

/** A new id in the slot of `other`: what is created under a shard key lives where the key lives. */
export function newIdIn(other: Id, at?: number): Id {
  return newId(slotOfId(other), at);
}

/** Whether `value` is an id in the one text form the framework writes. */
export function isId(value: unknown): value is Id {
  return typeof value === 'string' && value.length === 36 && ID_PATTERN.test(value);
}

/**
 * The slot that an id carries, without a look-up.
 * @throws RK_KERNEL_BAD_ID if `id` is not an id
 */
export function slotOfId(id: Id): number {
  if (!isId(id)) throw kernelErrors.create('BAD_ID', { data: { id: String(id).slice(0, 64) } });
  return parseInt(id.slice(15, 18), 16);
}

/** Milliseconds since 1970 at which an id was made. @throws RK_KERNEL_BAD_ID */
export function timeOfId(id: Id): number {
  if (!isId(id)) throw kernelErrors.create('BAD_ID', { data: { id: String(id).slice(0, 64) } });
  return parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** The low 62 bits of an id: what tells two ids of one slot and one millisecond apart. @throws RK_KERNEL_BAD_ID */
export function randomBitsOfId(id: Id): bigint {
  if (!isId(id)) throw kernelErrors.create('BAD_ID', { data: { id: String(id).slice(0, 64) } });
  return BigInt('0x' + id.slice(19, 23) + id.slice(24)) & 0x3fff_ffff_ffff_ffffn;
}

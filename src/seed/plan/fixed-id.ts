import { kernelErrors, SLOT_COUNT, type Id } from '@rookery/kernel';

/**
 * An id in the form of `newId` whose random bits are given: the same thing gets the same id at every run, so that what a run
 * finds already there it does not write again.
 * @param high 30 of the 62 bits that tell ids apart
 * @param low the other 32
 * @throws RK_KERNEL_BAD_SLOT
 */
export function fixedId(slot: number, at: number, high: number, low: number): Id {
  if (!(slot >= 0 && slot < SLOT_COUNT)) throw kernelErrors.create('BAD_SLOT', { data: { slot } });
  const time = at.toString(16).padStart(12, '0');
  const rest = (((high & 0x3fff_ffff) | 0x8000_0000) >>> 0).toString(16) + hex32(low);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${slot.toString(16).padStart(3, '0')}-${rest.slice(0, 4)}-${rest.slice(4)}`;
}

function hex32(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}

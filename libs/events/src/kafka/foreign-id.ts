import { createHash } from 'node:crypto';
import type { Id } from '@rookery/kernel';

/**
 * An id for an event that came with another kind of id: always the same for the same source and id, as CloudEvents tell
 * events apart, and of a time, so that an inbox keeps it as long as any other.
 * @param at milliseconds since 1970
 */
export function foreignId(source: string, id: string, at: number, slot: number): Id {
  const time = Math.trunc(at).toString(16).padStart(12, '0');
  const digest = createHash('sha256').update(source).update('\0').update(id).digest();
  digest[0] = (digest[0]! & 0x3f) | 0x80;
  const rest = digest.toString('hex', 0, 8);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${slot.toString(16).padStart(3, '0')}-${rest.slice(0, 4)}-${rest.slice(4)}`;
}

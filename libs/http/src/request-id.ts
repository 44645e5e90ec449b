import { randomFillSync } from 'node:crypto';

const BATCH = 128;
const BYTES = 16;
const LENGTH = 36;
/** Where the two digits of each byte stand. */
const PLACES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const HEX = Buffer.from('0123456789abcdef', 'latin1');

const random = Buffer.alloc(BATCH * BYTES);
const text = Buffer.alloc(BATCH * LENGTH, '-', 'latin1');
let ids = '';
let used = BATCH;

/**
 * A random id in the form of a UUID (RFC 9562, version 4). Written many at a time: `randomUUID` glues each one together of
 * twenty strings, and whoever looks at it first pays for that.
 */
export function newRequestId(): string {
  if (used === BATCH) fill();
  const at = used * LENGTH;
  used += 1;
  return ids.slice(at, at + LENGTH);
}

function fill(): void {
  randomFillSync(random);
  for (let id = 0; id < BATCH; id += 1) {
    const from = id * BYTES;
    random[from + 6] = (random[from + 6]! & 0x0f) | 0x40;
    random[from + 8] = (random[from + 8]! & 0x3f) | 0x80;
    for (let i = 0; i < BYTES; i += 1) {
      const byte = random[from + i]!;
      const to = id * LENGTH + PLACES[i]!;
      text[to] = HEX[byte >> 4]!;
      text[to + 1] = HEX[byte & 0x0f]!;
    }
  }
  ids = text.toString('latin1');
  used = 0;
}

import { randomFillSync } from 'node:crypto';

const BATCH = 128;
const BYTES = 16;
const LENGTH = 36;
const DASHES: ReadonlySet<number> = new Set([8, 13, 18, 23]);
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
  let [from, to] = [0, 0];
  for (let id = 0; id < BATCH; id += 1) {
    random[from + 6] = (random[from + 6]! & 0x0f) | 0x40;
    random[from + 8] = (random[from + 8]! & 0x3f) | 0x80;
    for (let at = 0; at < LENGTH; at += 1) {
      if (DASHES.has(at)) continue;
      const byte = random[from++]!;
      text[to + at] = HEX[byte >> 4]!;
      at += 1;
      text[to + at] = HEX[byte & 0x0f]!;
    }
    to += LENGTH;
  }
  ids = text.toString('latin1');
  used = 0;
}

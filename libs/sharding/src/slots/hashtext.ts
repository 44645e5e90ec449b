/**
 * PostgreSQL's `hashtext` for a string in a database with a deterministic collation.
 *
 * Source of the algorithm: Bob Jenkins' lookup3 (public domain), as PostgreSQL's `hash_bytes` runs it on a little-endian
 * machine, seeded with the length and 3923095. The spec compares it with a server.
 */
export function hashtext(value: string): number {
  const bytes = Buffer.from(value, 'utf8');
  let length = bytes.length;
  let a = (0x9e3779b9 + length + 3923095) | 0;
  let b = a;
  let c = a;
  let o = 0;
  while (length >= 12) {
    a = (a + bytes.readInt32LE(o)) | 0;
    b = (b + bytes.readInt32LE(o + 4)) | 0;
    c = (c + bytes.readInt32LE(o + 8)) | 0;
    a = ((a - c) | 0) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = ((a - c) | 0) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rotate(b, 4);
    b = (b + a) | 0;
    o += 12;
    length -= 12;
  }
  // The last word keeps its lowest byte for the length, so the tail of `c` starts at bit 8.
  for (let i = 0; i < length; i++) {
    const byte = bytes[o + i]!;
    if (i < 4) a = (a + (byte << (8 * i))) | 0;
    else if (i < 8) b = (b + (byte << (8 * (i - 4)))) | 0;
    else c = (c + (byte << (8 * (i - 7)))) | 0;
  }
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  return ((c ^ b) - rotate(b, 24)) | 0;
}

function rotate(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}

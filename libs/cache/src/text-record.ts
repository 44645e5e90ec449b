import type { EntryMeta, StoredRecord } from './drivers/driver.js';

/** A record whose body is text: its bytes are made when somebody asks for them, and few do. */
export class TextRecord implements StoredRecord {
  private source: string | Buffer;

  constructor(
    readonly meta: EntryMeta,
    text: string,
    readonly ageMs = 0,
    readonly invalidated: 'no' | 'soft' = 'no',
  ) {
    this.source = text;
  }

  get text(): string | undefined {
    return typeof this.source === 'string' ? this.source : undefined;
  }

  /** From then on in place of the text: not both of them are kept. */
  get body(): Buffer {
    if (typeof this.source === 'string') this.source = Buffer.from(this.source);
    return this.source;
  }
}

/** Bytes of its body. */
export function sizeOf(record: StoredRecord): number {
  return record.text === undefined ? record.body.length : Buffer.byteLength(record.text);
}

import { types } from 'node:util';
import { REDACTED, type Redaction } from './redaction.js';

/** Bounds of one logged value. */
export interface PlainLimits {
  /** Objects inside objects. */
  readonly depth: number;
  /** Members of one object or items of one array. */
  readonly breadth: number;
  /** Values in all. */
  readonly nodes: number;
  /** Characters of one text. */
  readonly text: number;
  /** Characters of all texts together. */
  readonly texts: number;
}

export const DEFAULT_LIMITS: PlainLimits = { depth: 6, breadth: 50, nodes: 500, text: 4_096, texts: 32_768 };

/**
 * A bounded copy of any value, made of plain JSON only and free of secrets. Never throws and never runs long: cycles,
 * getters that throw, hostile proxies, huge arrays and deep nesting come out as a short remark.
 */
export function toPlain(value: unknown, redaction: Redaction, limits: PlainLimits = DEFAULT_LIMITS): unknown {
  return new Copy(redaction, limits).of(value, 0);
}

class Copy {
  private left: number;
  private textLeft: number;
  private readonly path: object[] = [];

  constructor(
    private readonly redaction: Redaction,
    private readonly limits: PlainLimits,
  ) {
    this.left = limits.nodes;
    this.textLeft = limits.texts;
  }

  of(value: unknown, depth: number): unknown {
    if (this.left-- <= 0) return '[more]';
    switch (typeof value) {
      case 'string':
        return this.ofText(value);
      case 'number':
        return Number.isFinite(value) ? value : String(value);
      case 'boolean':
      case 'undefined':
        return value;
      case 'bigint':
        return String(value);
      case 'object':
        return value === null ? null : this.ofObject(value, depth);
      default:
        return `[${typeof value}]`;
    }
  }

  private ofText(value: string): string {
    const text = this.redaction.text(value, Math.min(this.limits.text, this.textLeft));
    this.textLeft = Math.max(0, this.textLeft - text.length);
    return text;
  }

  private ofObject(value: object, depth: number): unknown {
    if (this.path.includes(value)) return '[circular]';
    if (depth >= this.limits.depth) return Array.isArray(value) ? '[array]' : '[object]';
    this.path.push(value);
    try {
      return this.ofReadable(value, depth);
    } catch {
      // A getter or a proxy trap threw: the rest of the line matters more than this value.
      return '[unreadable]';
    } finally {
      this.path.pop();
    }
  }

  private ofReadable(value: object, depth: number): unknown {
    if (Array.isArray(value)) return this.items(value, value.length, depth);
    if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) return `[${value.byteLength} bytes]`;
    if (value instanceof Error || types.isNativeError(value)) {
      const { name, message, stack, cause } = value;
      const code = 'code' in value ? value.code : undefined;
      return this.members(Object.entries({ name, message, code, stack, cause }), depth);
    }
    if (types.isMap(value)) return this.members(value.entries(), depth, value.size);
    if (types.isSet(value)) return this.items(value, value.size, depth);
    if ('toJSON' in value && typeof value.toJSON === 'function') {
      const json: unknown = value.toJSON();
      return json === value ? this.members(ownEntries(value), depth) : this.of(json, depth);
    }
    return this.members(ownEntries(value), depth);
  }

  private items(values: Iterable<unknown>, size: number, depth: number): unknown[] {
    const copy: unknown[] = [];
    let nameBefore = false;
    for (const value of values) {
      if (copy.length >= this.limits.breadth || this.left <= 0) {
        copy.push(`[${size - copy.length} more]`);
        break;
      }
      // Raw headers and entries come as name, value, name, value.
      copy.push(nameBefore && value !== undefined ? REDACTED : this.of(value, depth + 1));
      nameBefore = typeof value === 'string' && value.length <= 64 && this.redaction.isSensitive(value);
    }
    return copy;
  }

  private members(
    entries: Iterable<readonly [unknown, unknown]>,
    depth: number,
    size?: number,
  ): Record<string, unknown> {
    const copy: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
    let count = 0;
    for (const [rawKey, value] of entries) {
      if (value === undefined) continue;
      if (count >= this.limits.breadth || this.left <= 0) {
        copy['…'] = size === undefined ? '[more]' : `[${size - count} more]`;
        break;
      }
      count += 1;
      const key = typeof rawKey === 'string' ? rawKey : `[${typeof rawKey}]`;
      const secret = value !== null && typeof value !== 'boolean' && this.redaction.isSensitive(key);
      copy[this.redaction.text(key, 128)] = secret ? REDACTED : this.of(value, depth + 1);
    }
    return copy;
  }
}

/** Own members one at a time, so that one getter that throws costs one value and a huge object is not listed whole. */
function* ownEntries(value: object): Generator<readonly [string, unknown]> {
  for (const key in value) {
    if (!Object.prototype.hasOwnProperty.call(value, key)) continue;
    let member: unknown;
    try {
      member = (value as Record<string, unknown>)[key];
    } catch {
      member = '[unreadable]';
    }
    yield [key, member];
  }
}

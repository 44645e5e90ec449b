import { types } from 'node:util';
import type { Redaction } from './redaction.js';
import { toPlain } from './plain.js';

/** What is logged of a failure; the ECS `error.*` fields. */
export interface ErrorFields {
  readonly type: string;
  readonly message: string;
  /** The stack, then that of each cause. */
  readonly stack: string;
  readonly code?: string;
  /** The data of a coded error, bounded and redacted. */
  readonly data?: unknown;
}

const MAX_CAUSES = 5;
const STACK_LIMIT = 4_096;
const MESSAGE_LIMIT = 2_048;

/**
 * Describes anything that was thrown, with its causes (`cause`, and the first of an AggregateError's `errors`). Other
 * properties of an error are left out: drivers hang statements and their parameters there.
 */
export function describeError(thrown: unknown, redaction: Redaction): ErrorFields {
  if (!isError(thrown)) {
    const plain = toPlain(thrown, redaction);
    const text = typeof plain === 'string' ? plain : (JSON.stringify(plain) ?? String(plain));
    return { type: thrown === null ? 'null' : typeof thrown, message: text, stack: '' };
  }
  const parts: string[] = [];
  const seen = new Set<unknown>();
  let current: unknown = thrown;
  while (current !== undefined && current !== null && parts.length <= MAX_CAUSES && !seen.has(current)) {
    seen.add(current);
    parts.push((parts.length === 0 ? '' : causedBy(current)) + stackOf(current, redaction));
    current = causeOf(current);
  }
  const code = codeOf(thrown);
  return {
    type: redaction.text(text(thrown, 'name') || 'Error', 128),
    message: redaction.text(text(thrown, 'message'), MESSAGE_LIMIT),
    stack: parts.join('\n'),
    ...(code === undefined ? {} : { code }),
    ...dataOf(thrown, redaction),
  };
}

/** Also errors of another realm: those of Node's core inside a vm context. A proxy that refuses to be asked is none. */
export function isError(value: unknown): value is Error {
  try {
    return value instanceof Error || types.isNativeError(value);
  } catch {
    return false;
  }
}

function stackOf(thrown: unknown, redaction: Redaction): string {
  if (!isError(thrown)) {
    const plain = toPlain(thrown, redaction);
    return typeof plain === 'string' ? plain : (JSON.stringify(plain) ?? String(plain));
  }
  const stack = text(thrown, 'stack') || `${text(thrown, 'name')}: ${text(thrown, 'message')}`;
  return redaction.text(stack, STACK_LIMIT);
}

function causedBy(thrown: unknown): string {
  const code = isError(thrown) ? codeOf(thrown) : undefined;
  return code === undefined ? 'Caused by: ' : `Caused by [${code}]: `;
}

function causeOf(thrown: unknown): unknown {
  if (!isError(thrown)) return undefined;
  const cause = member(thrown, 'cause');
  if (cause !== undefined) return cause;
  const errors = member(thrown, 'errors');
  return Array.isArray(errors) ? (errors[0] as unknown) : undefined;
}

function codeOf(thrown: Error): string | undefined {
  const code = member(thrown, 'code');
  return typeof code === 'string' || typeof code === 'number' ? String(code).slice(0, 64) : undefined;
}

function dataOf(thrown: Error, redaction: Redaction): { data?: unknown } {
  const data = member(thrown, 'data');
  if (typeof data !== 'object' || data === null) return {};
  const plain = toPlain(data, redaction);
  return typeof plain === 'object' && plain !== null && Object.keys(plain).length === 0
    ? {}
    : { data: plain };
}

function text(thrown: Error, name: string): string {
  const value = member(thrown, name);
  return typeof value === 'string' ? value : '';
}

/** A property of anything; `undefined` where reading it throws. */
export function member(object: object, name: string): unknown {
  try {
    return (object as Record<string, unknown>)[name];
  } catch {
    return undefined;
  }
}

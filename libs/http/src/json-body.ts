import { isUtf8 } from 'node:buffer';
import type { CodedError } from '@rookery/kernel';
import { httpErrors } from './http.errors.js';
import { fieldProblem, invalidInput } from './problem.js';
import { isText } from './text.js';

export interface JsonLimits {
  /** Objects and arrays within each other; the outermost counts 1. */
  readonly maxDepth: number;
  /** Elements of one array. */
  readonly maxArrayLength: number;
}

/** A container found in the body, with the way back to the outermost one. */
interface Node {
  readonly value: object;
  readonly parent: Node | undefined;
  readonly key: string | number;
  readonly depth: number;
}

/** Longer paths are of hostile bodies, and are cut. */
const LONGEST_PATH = 8;

/**
 * Reads a JSON body. An empty one is no body (`undefined`). `__proto__` keys are dropped, and so are `constructor` keys
 * that hold a `prototype`, as Fastify's own parser does with `onProtoPoisoning: 'remove'`.
 *
 * JSON.parse does not recurse, and neither does the walk after it, so no depth overflows the stack. The walk is left out
 * for a body too short to break a limit, and looks into strings only where an escape could have made what is not text.
 * @throws RK_HTTP_MALFORMED_JSON, RK_HTTP_INVALID_INPUT
 */
export function parseJsonBody(bytes: Buffer, limits: JsonLimits): unknown {
  if (bytes.length === 0) return undefined;
  // The decoder would put U+FFFD for what is not UTF-8, and store something nobody sent.
  if (!isUtf8(bytes)) throw httpErrors.create('MALFORMED_JSON');
  const source = bytes.toString();
  const body = parse(source);
  const escapes = source.includes('\\u');
  const poison = escapes || source.includes('__proto__') || source.includes('constructor');
  const tooShort = source.length <= 2 * Math.min(limits.maxDepth, limits.maxArrayLength);
  if (tooShort && !poison) return body;
  if (typeof body === 'string') {
    if (!isText(body)) throw notText([]);
  } else if (typeof body === 'object' && body !== null) {
    walk(body, limits, escapes, poison);
  }
  return body;
}

function parse(source: string): unknown {
  try {
    return JSON.parse(source);
  } catch (error) {
    throw httpErrors.create('MALFORMED_JSON', { cause: error });
  }
}

function walk(body: object, limits: JsonLimits, escapes: boolean, poison: boolean): void {
  const open: Node[] = [{ value: body, parent: undefined, key: '', depth: 1 }];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (node.depth > limits.maxDepth) {
      throw refused(pathOf(node), 'too_deep', `is nested more than ${limits.maxDepth} deep`);
    }
    if (Array.isArray(node.value)) {
      const items: readonly unknown[] = node.value;
      if (items.length > limits.maxArrayLength) {
        throw refused(pathOf(node), 'too_big', `has more than ${limits.maxArrayLength} elements`);
      }
      for (let index = 0; index < items.length; index++) visit(items[index], index, node, open, escapes);
      continue;
    }
    const object = node.value as Record<string, unknown>;
    for (const key of Object.keys(object)) {
      if (poison && isPoison(key, object)) {
        delete object[key];
        continue;
      }
      if (escapes && !isText(key)) throw notText(pathOf(node));
      visit(object[key], key, node, open, escapes);
    }
  }
}

function visit(value: unknown, key: string | number, parent: Node, open: Node[], escapes: boolean): void {
  if (typeof value === 'object') {
    if (value !== null) open.push({ value, parent, key, depth: parent.depth + 1 });
  } else if (escapes && typeof value === 'string' && !isText(value)) {
    throw notText([...pathOf(parent), key]);
  }
}

function isPoison(key: string, holder: Record<string, unknown>): boolean {
  if (key === '__proto__') return true;
  if (key !== 'constructor') return false;
  const value = holder[key];
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype');
}

function pathOf(node: Node): (string | number)[] {
  const path: (string | number)[] = [];
  for (let at: Node | undefined = node; at?.parent !== undefined; at = at.parent) path.unshift(at.key);
  return path.slice(0, LONGEST_PATH);
}

function refused(path: (string | number)[], reason: 'too_deep' | 'too_big', message: string): CodedError {
  return invalidInput([fieldProblem('body', path, reason, message)]);
}

function notText(path: readonly (string | number)[]): CodedError {
  return invalidInput([fieldProblem('body', path, 'not_text', 'has characters that are not text')]);
}

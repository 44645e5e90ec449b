import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { Incoming } from '../support/wire.js';
import { contract, type Operation, type Schema } from './document.js';

const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });
formats.default(ajv);
// OpenAPI's own keyword; says nothing about the value.
ajv.addKeyword('example');

/** An error must say something, which the contract's schema of it does not demand. */
const ERRORS: Schema = {
  type: 'object',
  required: ['errors'],
  additionalProperties: false,
  properties: {
    errors: {
      type: 'object',
      minProperties: 1,
      additionalProperties: { type: 'array', minItems: 1, items: { type: 'string', minLength: 1 } },
    },
  },
};
const isErrorBody = ajv.compile(ERRORS);

const validators = new Map<string, ValidateFunction | undefined>([
  ...contract.flatMap(({ id, responses }) =>
    [...responses].map(([status, schema]): [string, ValidateFunction | undefined] => [
      pair(id, status),
      schema && ajv.compile(closed(schema) as Schema),
    ]),
  ),
]);

/** What does not fit between an answer and what the contract declares of this operation and status; empty if all does. */
export function faultsOf(operation: Operation, incoming: Incoming): string[] {
  const key = pair(operation.id, incoming.status);
  if (!validators.has(key)) return [`the contract does not declare ${incoming.status} for ${operation.id}`];
  const validate = validators.get(key);
  if (validate === undefined) {
    return incoming.text === '' ? [] : [`${key} has no body in the contract, and one in the answer`];
  }
  const faults = incoming.status >= 400 ? errorFaultsOf(incoming) : jsonFaultsOf(incoming, validate);
  if (incoming.status >= 400 && faults.length === 0) faults.push(...jsonFaultsOf(incoming, validate));
  return faults;
}

/** What is wrong with an answer as an error of Conduit, whatever it answers; empty if nothing is. */
export function errorFaultsOf(incoming: Incoming): string[] {
  return jsonFaultsOf(incoming, isErrorBody);
}

function jsonFaultsOf(incoming: Incoming, validate: ValidateFunction): string[] {
  const type = incoming.headers['content-type'] ?? '';
  if (!/^application\/json *(;|$)/i.test(type)) return [`content-type is '${type}', not application/json`];
  let body: unknown;
  try {
    body = JSON.parse(incoming.text);
  } catch {
    return ['the body is not JSON'];
  }
  if (validate(body)) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) => {
    const extra = (params as { additionalProperty?: string }).additionalProperty;
    return `${instancePath || '/'} ${message ?? 'is wrong'}${extra === undefined ? '' : `: ${extra}`}`;
  });
}

/** `Login 401`. */
export function pair(id: string, status: number): string {
  return `${id} ${status}`;
}

/** The schema with every object closed: a field that the contract does not name is a leak, a `body` in a list to begin with. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([key, part]) => [key, closed(part)]));
  if (copy['type'] === 'object' && copy['properties'] !== undefined) copy['additionalProperties'] ??= false;
  return copy;
}
